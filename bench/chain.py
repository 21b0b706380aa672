"""Latency of the chain at 1, 50 and 300 streams: first word and gaps, beside the agent alone and two nginx hops."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from bench.figures import Absent, Figure, Rounds
from bench.servers import agent, nginx, two_hops, unthrottled
from client.account import demo_user
from client.bench import percentile
from client.outputs import Outputs
from local.run.chain import running
from local.run.options import Options


class Load(NamedTuple):
    """Streams at once, and the words of each, with so many seconds between them."""

    streams: int
    words: int
    pace: float

    @property
    def seconds(self) -> float:
        """How long an answer takes."""
        return self.words * self.pace

    @property
    def prompt(self) -> str:
        """What makes the scripted model answer so."""
        return f"On and on. [words={self.words} pause={self.pace}]"


# Many streams are slower, so that the agent itself is not the limit: it writes some thousand events a second here.
LOADS = (Load(1, 50, 0.02), Load(50, 40, 0.05), Load(300, 20, 0.2))
LONG = Load(1, 200, 0.02)


class Target(NamedTuple):
    """The address of a question, and its headers."""

    url: str
    headers: Mapping[str, str]


class Latency(NamedTuple):
    """Milliseconds to the first word, and the 99th percentile of what the gaps are beyond the model's pace."""

    first_word: float
    gap: float


async def words(session: aiohttp.ClientSession, target: Target, body: Mapping[str, Any], most: int) -> list[float]:
    """Ask, and return when each of the first ``most`` words arrived, in seconds from the question."""
    began, times = time.perf_counter(), list[float]()
    async with session.post(target.url, headers=dict(target.headers), json=dict(body)) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if line.startswith(b"data: ") and b"TEXT_MESSAGE_CONTENT" in line:
                times.append(time.perf_counter() - began)
                if len(times) == most:
                    answer.close()
                    break
    return times


async def listen(session: aiohttp.ClientSession, target: Target, load: Load) -> Latency:
    """Measure whole answers at once: the median of their first words, and the gaps of all together."""

    async def answer(number: int) -> list[float]:
        # Begun together, they would also speak and end together, and wait for one another.
        await asyncio.sleep(load.seconds * number / load.streams)
        # A conversation has one run at a time, so each stream is a conversation of its own.
        return await words(session, target, {"prompt": load.prompt, "threadId": str(uuid.uuid4())}, load.words)

    answers = await asyncio.gather(*map(answer, range(load.streams)))
    gaps = [after - before - load.pace for times in answers for before, after in pairwise(times)]
    first = statistics.median(times[0] for times in answers)
    return Latency(first * 1000, max(0.0, percentile(gaps, 99)) * 1000)


async def attached(session: aiohttp.ClientSession, target: Target) -> float:
    """Milliseconds from an attach, after a cut in the middle of an answer, to the first new word."""
    thread, run = str(uuid.uuid4()), str(uuid.uuid4())
    question = {"id": str(uuid.uuid4()), "role": "user", "content": LONG.prompt}
    body = {"threadId": thread, "runId": run, "messages": [question]}
    last = 0
    async with session.post(target.url, headers=dict(target.headers), json=body) as answer:
        async for line in answer.content:
            if line.startswith(b"id: "):
                last = int(line.rpartition(b":")[2])
            if last == LONG.words // 4:
                answer.close()  # the connection is cut, and the run goes on
                break
    times = await words(session, target, {"threadId": thread, "attach": {"runId": run, "after": last}}, 1)
    await session.post(target.url, headers=dict(target.headers), json={"threadId": thread, "stop": {"runId": run}})
    return times[0] * 1000


async def figures(folder: Path, rounds: Rounds) -> list[Figure | Absent]:
    """Figures of the chain beside the agent alone and two nginx hops, and of an attach beside a first word."""
    async with running(Options(folder=folder / "chain")) as chain, agent("ours", folder) as alone:
        outputs = Outputs.model_validate(chain.outputs)
        token = (await asyncio.to_thread(demo_user, outputs)).id
        path = outputs.invoke_url.removeprefix(chain.services.url("gateway"))
        gateway = await chain.start_gateway("open-gateway", unthrottled(chain.graph))
        through = Target(gateway + path, {"Authorization": f"Bearer {token}"})
        targets = {"chain": through, "alone": Target(f"{alone}/invocations", {})}
        if nginx() is None:
            return [*await _compare(targets, rounds), Absent("beside two nginx hops", "nginx is not installed")]
        async with two_hops(alone, folder) as hops:
            targets["nginx"] = Target(f"{hops}/invocations", {})
            return [*await _compare(targets, rounds)]


async def _compare(targets: Mapping[str, Target], rounds: Rounds) -> list[Figure]:
    measured: dict[tuple[str, Load], list[Latency]] = {(name, load): [] for name in targets for load in LOADS}
    again: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for target in targets.values():
            await listen(session, target, LOADS[0])  # warm up connections and caches
        for _ in rounds("the chain and its peers, 1 to 300 streams"):
            for load in LOADS:
                for name, target in targets.items():
                    measured[name, load].append(await listen(session, target, load))
            again.append(await attached(session, targets["chain"]))
    peers = {"alone": "the agent alone", "nginx": "two nginx hops before the agent"}
    rows = [
        Figure(
            f"{what}, {load.streams} stream{'s' if load.streams > 1 else ''} through the chain",
            "ms",
            peers[name],
            [one[value] for one in measured["chain", load]],
            [one[value] for one in measured[name, load]],
        )
        for load in LOADS
        for name in targets
        if name != "chain"
        for value, what in enumerate(("first word", "gaps beyond the model's pace, 99th percentile"))
    ]
    firsts = [one.first_word for one in measured["chain", LOADS[0]]]
    rows.append(
        Figure("from attach to the next word, after a cut", "ms", "the first word of a question", again, firsts)
    )
    return rows
