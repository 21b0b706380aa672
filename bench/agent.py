"""How fast the agent streams, beside the same agent behind the SDK's own ``yield`` entry point."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp

from local import LOOPBACK, ROOT
from local.processes.child import Child, bare_environment
from local.processes.ports import any_port

WORDS = 20_000
"""In all streams of a measurement together."""

FIRST_EVENTS = 20
"""So many at least are in a median."""

ANSWER_SECONDS = 3
"""How long an answer lasts that nobody hears to its end."""

TIMES_THE_EVENTS = 2.0
TIMES_THE_IMPORTS = 1.15
HANG_UP_MS = 100.0

HANG_UPS = {
    "a talking model": f"words={ANSWER_SECONDS * 100} pause=0.01",
    "a silent model": f"words=2 pause=0 silence={ANSWER_SECONDS}",
}
"""What the model does meanwhile. One that has not ended after twice the time of its answer is waited for no longer."""


class Streamed(NamedTuple):
    """Events a second over all streams, and the median milliseconds to a stream's first event."""

    events_per_second: float
    first_event_ms: float


class Comparison(NamedTuple):
    """One measure of both sides; ``better`` is ``more`` or ``less``, and ours must be no worse than ``bound``."""

    what: str
    unit: str
    ours: float
    theirs: float
    better: str
    bound: float

    @property
    def ratio(self) -> float:
        """How much better ours is; above one is better."""
        return self.ours / self.theirs if self.better == "more" else self.theirs / self.ours

    @property
    def held(self) -> bool:
        """Whether the promise held."""
        return self.ours >= self.bound if self.better == "more" else self.ours <= self.bound


@asynccontextmanager
async def server(which: str, folder: Path) -> AsyncIterator[str]:
    """One of the two servers; its base URL."""
    port = any_port()
    argv = [sys.executable, "-m", "bench.agent_servers", which, str(port)]
    child = await Child.start(which, argv, log=folder / f"{which}.log", cwd=ROOT, environment=bare_environment())
    try:
        await child.healthy(port, "/ping")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        await child.stop()


async def stream(session: aiohttp.ClientSession, url: str, words: int) -> tuple[int, float]:
    """Read one answer: its events, and seconds to the first."""
    began, events, first = time.perf_counter(), 0, 0.0
    async with session.post(f"{url}/invocations", json={"prompt": f"Go [words={words} pause=0]"}) as answer:
        # Counted, not parsed: the reader must not be what is measured.
        async for chunk in answer.content.iter_any():
            events += chunk.count(b"data: ")
            first = first or time.perf_counter() - began
    return events, first


async def measure(url: str, streams: int) -> Streamed:
    """So many streams at once, the same number of words in all."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await stream(session, url, 10)
        began = time.perf_counter()
        results = await asyncio.gather(*(stream(session, url, WORDS // streams) for _ in range(streams)))
        seconds = time.perf_counter() - began
        # One first event alone says little.
        more = [await stream(session, url, 1) for _ in range(FIRST_EVENTS - streams)]
    firsts = [first for _, first in (*results, *more)]
    return Streamed(sum(events for events, _ in results) / seconds, statistics.median(firsts) * 1000)


async def hang_up(url: str, directive: str) -> float:
    """Milliseconds from the client's going away, in mid-answer, to the end of the model's answer."""
    prompt = f"{uuid.uuid4()} [{directive}]"
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/invocations", json={"prompt": prompt}) as answer:
            while b"delta" not in await answer.content.readany():
                pass
            left = time.monotonic()
            answer.close()
        async with session.get(f"{url}/ended", params={"prompt": prompt}) as told:
            end = await told.json()
            return ((end or time.monotonic()) - left) * 1000


def started_in(code: str) -> float:
    """Seconds that Python takes to run some code and end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - our own code
    return time.perf_counter() - began


async def first_ping(folder: Path) -> float:
    """Seconds from starting ``python -m agent`` to its first healthy answer."""
    port = any_port()
    environment = {**bare_environment(), "AGENT_MODEL": "scripted", "AGENT_PORT": str(port)}
    began = time.perf_counter()
    child = await Child.start(
        "agent", [sys.executable, "-m", "agent"], log=folder / "agent.log", cwd=ROOT, environment=environment
    )
    try:
        await child.healthy(port, "/ping")
        return time.perf_counter() - began
    finally:
        await child.stop()


async def compare_streams(folder: Path, rounds: int) -> list[Comparison]:
    """Throughput and the first event; both sides in turn, so that a busy machine is busy for both."""
    results: dict[tuple[str, int], list[Streamed]] = {}
    async with server("ours", folder) as ours, server("yield", folder) as theirs:
        for _ in range(rounds):
            for streams in (1, 100):
                for which, url in (("ours", ours), ("yield", theirs)):
                    results.setdefault((which, streams), []).append(await measure(url, streams))
    rows = []
    for streams, name in ((1, "1 stream"), (100, "100 streams")):
        mine, other = results["ours", streams], results["yield", streams]
        rate, bar = (statistics.median(one.events_per_second for one in side) for side in (mine, other))
        rows.append(Comparison(f"events per second, {name}", "/s", rate, bar, "more", TIMES_THE_EVENTS * bar))
        first, bar = (statistics.median(one.first_event_ms for one in side) for side in (mine, other))
        rows.append(Comparison(f"first event, {name}", "ms", first, bar, "less", bar))
    return rows


async def compare_hang_ups(folder: Path, rounds: int) -> list[Comparison]:
    """How long a model goes on for nobody."""
    rows = []
    async with server("ours", folder) as ours, server("yield", folder) as theirs:
        for kind, directive in HANG_UPS.items():
            mine = statistics.median([await hang_up(ours, directive) for _ in range(rounds)])
            other = statistics.median([await hang_up(theirs, directive) for _ in range(rounds)])
            rows.append(Comparison(f"hang-up to the end of {kind}", "ms", mine, other, "less", HANG_UP_MS))
    return rows


async def compare(folder: Path, rounds: int) -> list[Comparison]:
    """Every measure, each a median of so many rounds."""
    rows = [*await compare_streams(folder, rounds), *await compare_hang_ups(folder, rounds)]
    ping = statistics.median([await first_ping(folder) for _ in range(rounds)])
    imports = statistics.median(started_in("import strands, bedrock_agentcore.runtime, uvicorn") for _ in range(rounds))
    rows.append(
        Comparison("start to first /ping, beside bare imports", "s", ping, imports, "less", TIMES_THE_IMPORTS * imports)
    )
    return rows
