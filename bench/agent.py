"""Throughput, first event and the end after a hang-up: the agent beside the same agent behind the SDK's ``yield``."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import aiohttp

from bench.figures import Figure, Rounds
from bench.servers import agent

STREAMS = (1, 50, 100, 300)

WORDS = 20_000
"""The number of words in all streams of a measurement together."""

FIRST_EVENTS = 20
"""The least number of samples in a median."""

ANSWER_SECONDS = 2
"""The length of an answer whose client hangs up."""

EVENTS_GOAL, EVENTS_GOAL_MANY, FIRST_EVENT_GOAL, HANG_UP_GOAL = 3.0, 1.5, 1.0, 10.0
PEER = "the SDK's yield"

HANG_UPS = {
    "a talking model": f"words={ANSWER_SECONDS * 100} pause=0.01",
    "a silent model": f"words=2 pause=0 silence={ANSWER_SECONDS}",
}
"""What the model does after the hang-up. If it has not ended after twice the time of its answer, the wait ends."""


class Streamed(NamedTuple):
    """Events a second over all streams, and the median time to a stream's first event in milliseconds."""

    events_per_second: float
    first_event_ms: float


async def stream(session: aiohttp.ClientSession, url: str, words: int) -> tuple[int, float]:
    """Read one answer: its events, and seconds to the first."""
    began, events, first = time.perf_counter(), 0, 0.0
    async with session.post(f"{url}/invocations", json={"prompt": f"Go [words={words} pause=0]"}) as answer:
        # Events are counted, not parsed, so that the reader is not the bottleneck.
        async for chunk in answer.content.iter_any():
            events += chunk.count(b"data: ")
            first = first or time.perf_counter() - began
    return events, first


async def measure(url: str, streams: int) -> Streamed:
    """Measure this many streams at once, with the same number of words in all."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await stream(session, url, 10)
        began = time.perf_counter()
        results = await asyncio.gather(*(stream(session, url, WORDS // streams) for _ in range(streams)))
        seconds = time.perf_counter() - began
        # A single first event is a poor sample.
        more = [await stream(session, url, 1) for _ in range(FIRST_EVENTS - streams)]
    firsts = [first for _, first in (*results, *more)]
    return Streamed(sum(events for events, _ in results) / seconds, statistics.median(firsts) * 1000)


async def hang_up(url: str, directive: str) -> float:
    """Milliseconds from a client's hang-up in the middle of an answer to the end of the model's answer."""
    prompt = f"{uuid.uuid4()} [{directive}]"
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/invocations", json={"prompt": prompt}) as answer:
            while b"delta" not in (read := await answer.content.readany()):
                if not read:
                    raise EOFError(f"{url} ended its answer before it said anything")
            hung_up = time.monotonic()
            answer.close()
        async with session.get(f"{url}/ended", params={"prompt": prompt}) as response:
            end = await response.json()
            return ((end or time.monotonic()) - hung_up) * 1000


async def figures(folder: Path, rounds: Rounds) -> list[Figure]:
    """Figures of the throughput, the first event and the end after a hang-up."""
    streamed: dict[tuple[str, int], list[Streamed]] = {}
    ended: dict[tuple[str, str], list[float]] = {}
    async with agent("ours", folder) as ours, agent("yield", folder) as theirs:
        for _ in rounds("the agent and its peer, 1 to 300 streams"):
            for which, url in (("ours", ours), ("yield", theirs)):
                for streams in STREAMS:
                    streamed.setdefault((which, streams), []).append(await measure(url, streams))
                for kind, directive in HANG_UPS.items():
                    ended.setdefault((which, kind), []).append(await hang_up(url, directive))
    rows = []
    for streams in STREAMS:
        mine, other = streamed["ours", streams], streamed["yield", streams]
        name = f"{streams} stream{'s' if streams > 1 else ''}"
        rows += [
            Figure(
                f"events a second, {name}",
                "/s",
                PEER,
                [one.events_per_second for one in mine],
                [one.events_per_second for one in other],
                better="more",
                goal=EVENTS_GOAL if streams == 1 else EVENTS_GOAL_MANY,
            ),
            Figure(
                f"first event, {name}",
                "ms",
                PEER,
                [one.first_event_ms for one in mine],
                [one.first_event_ms for one in other],
                goal=FIRST_EVENT_GOAL,
            ),
        ]
    for kind in HANG_UPS:
        what = f"hang-up to the end of {kind}"
        rows.append(Figure(what, "ms", PEER, ended["ours", kind], ended["yield", kind], goal=HANG_UP_GOAL))
    return rows
