"""``make soak``: many streams for a minute, then every fault in turn while streams run.

Every stream is checked word by word. The table shows the outcomes of the other streams, the outcome of the affected
client, and the growth of the gateway's and the runtime's memory.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
import uvicorn
from rich.console import Console
from rich.table import Table
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bench.faults import FATAL, UNTOUCHED, WITHOUT_USER_POOL, Scenario, Scene, verdict_of
from bench.servers import unthrottled
from bench.streams import Prompt, StreamResult, listen_to_many
from client.account import demo_user
from client.outputs import Outputs
from contract import Kind
from local import LOOPBACK
from local.processes.ports import any_port
from local.program.graph import Graph
from local.run.chain import Chain, running
from local.run.options import Options

MEMORY_LIMIT_MB = 200


class Row(NamedTuple):
    """One line of the table."""

    name: str
    others: str
    victim: str
    memory: str
    held: bool


class Others(NamedTuple):
    """The streams that run beside a fault: how many, and how many seconds long."""

    streams: int
    seconds: int


def with_timeout(graph: Graph, milliseconds: int) -> Graph:
    """The graph with a shorter integration timeout."""
    for integration in graph.all(Kind.INTEGRATION):
        if integration.inputs["type"] == "HTTP_PROXY":
            graph = graph.with_inputs(integration.urn, timeoutMilliseconds=milliseconds)
    return graph


@asynccontextmanager
async def huge_backend() -> AsyncIterator[str]:
    """Run a backend that answers every request with 20 MB."""

    async def answer(scope: object, receive: object, send: object) -> None:
        async def megabytes() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b"x" * 2**20

        response: Response = StreamingResponse(megabytes(), media_type="text/event-stream")
        request = Request(scope, receive)  # type: ignore[arg-type]
        await request.body()
        await response(scope, receive, send)  # type: ignore[arg-type]

    port = any_port()
    server = uvicorn.Server(uvicorn.Config(answer, host=LOOPBACK, port=port, log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Scene]:
    """A chain with every gateway that the scenarios need."""
    async with running(Options(folder=folder)) as chain, huge_backend() as huge:
        outputs = Outputs.model_validate(chain.outputs)
        path = outputs.invoke_url.removeprefix(chain.services.url("gateway"))
        open_graph = unthrottled(chain.graph)
        away = {f"bedrock-agentcore.{chain.graph.region}.amazonaws.com": huge}
        scene = Scene(
            chain=chain,
            url=await chain.start_gateway("open-gateway", open_graph) + path,
            short=await chain.start_gateway("short-gateway", with_timeout(open_graph, 2000)) + path,
            huge=await chain.start_gateway("huge-gateway", open_graph, addresses=away) + path,
            full=await chain.start_gateway("full-gateway", open_graph, access_log=Path("/dev/full")) + path,
            token=(await asyncio.to_thread(demo_user, outputs)).id,
        )
        yield scene


def memory_mb(chain: Chain) -> dict[str, int]:
    """The peak memory of each server so far, in megabytes."""
    sizes = {}
    for name, pid in chain.services.processes.items():
        if name.endswith(("agent", "gateway", "runtime")):
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            except FileNotFoundError:  # it has been killed
                continue
            sizes[name] = int(status.partition("VmHWM:")[2].split()[0]) // 1024
    return sizes


def grown(before: dict[str, int], after: dict[str, int]) -> int:
    """The largest growth of a server, in megabytes; a restarted server counts as not grown."""
    return max(after.get(name, 0) - before[name] for name in before)


def summary(results: Sequence[StreamResult]) -> str:
    """The outcomes of the streams, with their counts."""
    counts = Counter(one.outcome for one in results)
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())


def random_cuts(seconds: int) -> Callable[[], Sequence[float]]:
    """A function that returns the random times of one to five cuts of a stream of this length."""
    chance = random.Random(0)  # noqa: S311 - the same soak every time

    def cuts() -> Sequence[float]:
        count = chance.randint(1, 5)
        return [chance.uniform(0.05, seconds / count) for _ in range(count)]

    return cuts


async def steady(
    scene: Scene, streams: int, seconds: int, console: Console, cuts: Callable[[], Sequence[float]] = tuple
) -> Row:
    """Run many streams at once; with ``cuts`` each is cut and attached to again."""
    words = seconds * 4
    before = memory_mb(scene.chain)
    prompt = Prompt(f"On and on. [words={words} pause=0.25]")
    with console.status(f"{streams} streams, {seconds} s each ..."):
        results = await listen_to_many(scene.url, scene.token, prompt, streams, cuts)
    growth = grown(before, memory_mb(scene.chain))
    slowest = max(one.first_word for one in results)
    gap = max(one.longest_gap for one in results)
    events = sum(one.words for one in results)
    detail = f"{events} words in order; first word {slowest:.2f} s at most, longest gap {gap:.2f} s"
    held = all(one.outcome == "whole" for one in results) and growth < MEMORY_LIMIT_MB
    name = f"{streams} streams, {seconds} s" + ("" if cuts is tuple else ", each cut 1 to 5 times")
    return Row(name, summary(results), detail, f"+{growth} MB", held)


async def under_fault(
    scene: Scene, name: str, scenario: Scenario, others: Others, console: Console, *, fatal: bool
) -> Row:
    """Inject a fault while streams run."""
    before = memory_mb(scene.chain)
    streams = others.streams
    prompt = Prompt(f"Meanwhile. [words={others.seconds * 10} pause=0.1]")
    with console.status(f"{name}, while {streams} streams run ..."):
        listening = asyncio.create_task(listen_to_many(scene.url, scene.token, prompt, streams))
        await asyncio.sleep(1.5)  # so that the fault comes in the middle of the streams
        victim = await verdict_of(scenario(scene))
        results = await listening
    growth = grown(before, memory_mb(scene.chain))
    ends = {"cut", "error MODEL_UNAVAILABLE"} if fatal else {"whole"}
    held = not victim.startswith("FAILED") and growth < MEMORY_LIMIT_MB
    held = held and all(one.outcome in ends for one in results)
    return Row(name, summary(results), victim, f"+{growth} MB", held)


async def everything_at_once(scene: Scene) -> str:
    """Inject all of `UNTOUCHED` at the same time."""
    victims = await asyncio.gather(*(verdict_of(scenario(scene)) for scenario in UNTOUCHED.values()))
    failed = [
        f"{name}: {victim}" for name, victim in zip(UNTOUCHED, victims, strict=True) if victim.startswith("FAILED")
    ]
    return f"FAILED: {'; '.join(failed)}" if failed else f"all {len(victims)} saw what they must see"


async def soak(streams: int, seconds: int, others: Others, console: Console, *, together: bool) -> list[Row]:
    """The whole soak; one row for each part."""
    untouched: Mapping[str, Scenario] = {"every fault at once": everything_at_once} if together else UNTOUCHED
    with tempfile.TemporaryDirectory(prefix="agent-stream-soak-") as folder:
        async with stage(Path(folder)) as scene:
            rows = [
                await steady(scene, streams, seconds, console),
                await steady(scene, streams, seconds, console, random_cuts(seconds)),
            ]
            for name, scenario in FATAL.items():
                rows.append(await under_fault(scene, name, scenario, others, console, fatal=True))
            for name, scenario in {**untouched, **WITHOUT_USER_POOL}.items():
                rows.append(await under_fault(scene, name, scenario, others, console, fatal=False))
    return rows


def main(
    streams: Annotated[int, typer.Option(help="Streams at once in the first part.")] = 300,
    seconds: Annotated[int, typer.Option(help="How long each lasts, in seconds.")] = 60,
    others: Annotated[int, typer.Option(help="Streams that run during each fault.")] = 50,
    beside: Annotated[int, typer.Option(help="How long those last, in seconds.")] = 6,
    together: Annotated[bool, typer.Option(help="Inject all faults at once instead of one after another.")] = False,
) -> None:
    """Run many streams, then every fault in turn while streams run; exits with 1 when a check failed."""
    console = Console(highlight=False)
    rows = asyncio.run(soak(streams, seconds, Others(others, beside), console, together=together))
    table = Table("what", "other streams", "affected client", "memory", "held")
    for row in rows:
        table.add_row(row.name, row.others, row.victim, row.memory, "yes" if row.held else "[bold red]NO[/]")
    console.print(table)
    if not all(row.held for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
