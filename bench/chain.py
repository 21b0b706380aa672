"""What the way costs: first word and gaps through the local chain, beside the agent alone and beside two nginx hops."""

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


class Way(NamedTuple):
    """Where a question goes, and what it carries."""

    url: str
    headers: Mapping[str, str]


class Heard(NamedTuple):
    """Milliseconds to the first word, and the 99th percentile of what the way adds to the model's pace."""

    first_word: float
    gap: float


async def words(session: aiohttp.ClientSession, way: Way, body: Mapping[str, Any], most: int) -> list[float]:
    """Ask, and return when each of the first words came, in seconds from the question."""
    began, times = time.perf_counter(), list[float]()
    async with session.post(way.url, headers=dict(way.headers), json=dict(body)) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if line.startswith(b"data: ") and b"TEXT_MESSAGE_CONTENT" in line:
                times.append(time.perf_counter() - began)
                if len(times) == most:
                    answer.close()
                    break
    return times


async def listen(session: aiohttp.ClientSession, way: Way) -> Heard:
    """One whole answer."""
    times = await words(session, way, {"prompt": PROMPT}, WORDS)
    gaps = [after - before - PACE for before, after in pairwise(times)]
    return Heard(times[0] * 1000, max(0.0, percentile(gaps, 99)) * 1000)


async def attached(session: aiohttp.ClientSession, way: Way) -> float:
    """Milliseconds from attaching, after a cut in mid-answer, to the first word that is new."""
    thread, run = str(uuid.uuid4()), str(uuid.uuid4())
    question = {"id": str(uuid.uuid4()), "role": "user", "content": LONG}
    asked = {"threadId": thread, "runId": run, "messages": [question]}
    last = 0
    async with session.post(way.url, headers=dict(way.headers), json=asked) as answer:
        async for line in answer.content:
            if line.startswith(b"id: "):
                last = int(line.rpartition(b":")[2])
            if last == WORDS:
                answer.close()  # the way is cut, and the run goes on
                break
    times = await words(session, way, {"threadId": thread, "attach": {"runId": run, "after": last}}, 1)
    await session.post(way.url, headers=dict(way.headers), json={"threadId": thread, "stop": {"runId": run}})
    return times[0] * 1000


async def figures(folder: Path, rounds: int) -> list[Figure | Absent]:
    """The chain beside the agent alone and beside two nginx; attaching beside a first word."""
    async with running(Options(folder=folder / "chain")) as chain, agent("ours", folder) as alone:
        outputs = Outputs.model_validate(chain.outputs)
        token = (await asyncio.to_thread(demo_user, outputs)).id
        through = Way(outputs.invoke_url, {"Authorization": f"Bearer {token}"})
        ways = {"chain": through, "alone": Way(f"{alone}/invocations", {})}
        if nginx() is None:
            return [*await _compare(ways, rounds), Absent("the way beside two nginx hops", "nginx is not installed")]
        async with two_hops(alone, folder) as hops:
            ways["nginx"] = Way(f"{hops}/invocations", {})
            return [*await _compare(ways, rounds)]


async def _compare(ways: Mapping[str, Way], rounds: int) -> list[Figure]:
    heard: dict[str, list[Heard]] = {name: [] for name in ways}
    again: list[float] = []
    async with aiohttp.ClientSession() as session:
        for name in ways:
            await listen(session, ways[name])  # connections and caches are there from now on
        for _ in range(rounds):
            for name, way in ways.items():
                heard[name].append(await listen(session, way))
            again.append(await attached(session, ways["chain"]))
    peers = {"alone": "the agent alone", "nginx": "two nginx hops before the agent"}
    rows = []
    for name in [name for name in ways if name != "chain"]:
        for what, values in (("first word", 0), ("gaps beyond the model's pace, 99th percentile", 1)):
            ours, theirs = ([one[values] for one in heard[side]] for side in ("chain", name))
            rows.append(Figure(f"{what}, through the chain", "ms", peers[name], ours, theirs))
    firsts = [one.first_word for one in heard["chain"]]
    rows.append(
        Figure("from attach to the next word, after a cut", "ms", "the first word of a question", again, firsts)
    )
    return rows
