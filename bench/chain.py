"""Latency of the chain: first word and gaps through the local chain, the agent alone, and two nginx hops."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from bench.figures import Absent, Figure
from bench.servers import agent, nginx, two_hops
from client.account import demo_user
from client.bench import percentile
from client.outputs import Outputs
from local.run.chain import running
from local.run.options import Options

PACE = 0.02
WORDS = 50
PROMPT = f"On and on. [words={WORDS} pause={PACE}]"
LONG = f"On and on. [words={WORDS * 4} pause={PACE}]"


class Target(NamedTuple):
    """The address of a question, and its headers."""

    url: str
    headers: Mapping[str, str]


class Latency(NamedTuple):
    """Milliseconds to the first word, and the 99th percentile of the gaps beyond the model's pace."""

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


async def listen(session: aiohttp.ClientSession, target: Target) -> Latency:
    """Measure one whole answer."""
    times = await words(session, target, {"prompt": PROMPT}, WORDS)
    gaps = [after - before - PACE for before, after in pairwise(times)]
    return Latency(times[0] * 1000, max(0.0, percentile(gaps, 99)) * 1000)


async def attached(session: aiohttp.ClientSession, target: Target) -> float:
    """Milliseconds from an attach, after a cut in the middle of an answer, to the first new word."""
    thread, run = str(uuid.uuid4()), str(uuid.uuid4())
    question = {"id": str(uuid.uuid4()), "role": "user", "content": LONG}
    body = {"threadId": thread, "runId": run, "messages": [question]}
    last = 0
    async with session.post(target.url, headers=dict(target.headers), json=body) as answer:
        async for line in answer.content:
            if line.startswith(b"id: "):
                last = int(line.rpartition(b":")[2])
            if last == WORDS:
                answer.close()  # the connection is cut, and the run goes on
                break
    times = await words(session, target, {"threadId": thread, "attach": {"runId": run, "after": last}}, 1)
    await session.post(target.url, headers=dict(target.headers), json={"threadId": thread, "stop": {"runId": run}})
    return times[0] * 1000


async def figures(folder: Path, rounds: int) -> list[Figure | Absent]:
    """Figures of the chain beside the agent alone and two nginx hops, and of an attach beside a first word."""
    async with running(Options(folder=folder / "chain")) as chain, agent("ours", folder) as alone:
        outputs = Outputs.model_validate(chain.outputs)
        token = (await asyncio.to_thread(demo_user, outputs)).id
        through = Target(outputs.invoke_url, {"Authorization": f"Bearer {token}"})
        targets = {"chain": through, "alone": Target(f"{alone}/invocations", {})}
        if nginx() is None:
            return [*await _compare(targets, rounds), Absent("beside two nginx hops", "nginx is not installed")]
        async with two_hops(alone, folder) as hops:
            targets["nginx"] = Target(f"{hops}/invocations", {})
            return [*await _compare(targets, rounds)]


async def _compare(targets: Mapping[str, Target], rounds: int) -> list[Figure]:
    measured: dict[str, list[Latency]] = {name: [] for name in targets}
    again: list[float] = []
    async with aiohttp.ClientSession() as session:
        for name in targets:
            await listen(session, targets[name])  # warm up connections and caches
        for _ in range(rounds):
            for name, target in targets.items():
                measured[name].append(await listen(session, target))
            again.append(await attached(session, targets["chain"]))
    peers = {"alone": "the agent alone", "nginx": "two nginx hops before the agent"}
    rows = []
    for name in [name for name in targets if name != "chain"]:
        for what, values in (("first word", 0), ("gaps beyond the model's pace, 99th percentile", 1)):
            ours, theirs = ([one[values] for one in measured[side]] for side in ("chain", name))
            rows.append(Figure(f"{what}, through the chain", "ms", peers[name], ours, theirs))
    firsts = [one.first_word for one in measured["chain"]]
    rows.append(
        Figure("from attach to the next word, after a cut", "ms", "the first word of a question", again, firsts)
    )
    return rows
