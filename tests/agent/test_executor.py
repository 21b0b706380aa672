"""The threads of blocking work: how many, in what order, and what becomes of those that hang."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from queue import Queue
from typing import Any

import pytest
from strands import tool

from agent import executor
from agent.executor import DaemonExecutor
from tests.agent.support import DEADLINE, Serve, having, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What the jobs of a test wait for; open at its end."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> Queue[dict[str, Any]]:
    lines: Queue[dict[str, Any]] = Queue()
    monkeypatch.setattr(executor, "log_line", lines.put)
    return lines


def running_in(pool: DaemonExecutor, gate: threading.Event) -> Future[bool]:
    """Return a job that has begun and waits for the gate."""
    begun = threading.Event()

    def wait() -> bool:
        begun.set()
        return gate.wait(DEADLINE)

    job = pool.submit(wait)
    assert begun.wait(DEADLINE)
    return job


async def test_no_more_jobs_run_at_once_than_allowed_and_the_others_follow_in_order(
    gate: threading.Event, warnings: Queue[dict[str, Any]]
) -> None:
    pool, begun = DaemonExecutor(2), Queue[int]()

    def job(number: int) -> int:
        begun.put(number)
        gate.wait(DEADLINE)
        return number

    futures = [pool.submit(job, number) for number in range(6)]
    assert sorted(begun.get(timeout=DEADLINE) for _ in range(2)) == [0, 1]
    assert begun.empty()
    gate.set()
    assert [future.result(DEADLINE) for future in futures] == list(range(6))
    assert "all 2 threads are busy" in warnings.get_nowait()["message"]
    assert warnings.empty()  # told once, not for every job


async def test_jobs_that_nobody_waits_for_take_no_place(gate: threading.Event, warnings: Queue[dict[str, Any]]) -> None:
    pool = DaemonExecutor(1)
    for _ in range(16):
        assert not running_in(pool, gate).cancel()
    assert pool.submit(lambda: "quick").result(DEADLINE) == "quick"
    assert "16 synchronous calls" in warnings.get_nowait()["message"]


async def test_jobs_left_behind_are_bounded_too(
    gate: threading.Event, warnings: Queue[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "MAX_ORPHANS", 1)
    pool = DaemonExecutor(1)
    for _ in range(2):
        running_in(pool, gate).cancel()
    waiting = pool.submit(lambda: "late")
    assert "busy" in warnings.get_nowait()["message"]
    assert not waiting.running()
    gate.set()
    assert waiting.result(DEADLINE) == "late"


async def test_a_job_cancelled_before_its_turn_never_runs(gate: threading.Event) -> None:
    pool, ran = DaemonExecutor(1), list[int]()
    pool.submit(gate.wait, DEADLINE)
    second, third = pool.submit(ran.append, 2), pool.submit(ran.append, 3)
    assert second.cancel()
    gate.set()
    third.result(DEADLINE)
    assert ran == [3]


async def test_a_job_that_gets_no_thread_has_failed_and_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = DaemonExecutor(1)
    with monkeypatch.context() as machine:
        machine.setattr(threading.Thread, "start", start)
        for _ in range(2):
            assert "can't start" in str(pool.submit(lambda: "never").exception(DEADLINE))
    assert pool.submit(lambda: "quick").result(DEADLINE) == "quick"


async def test_jobs_that_wait_are_not_lost_when_the_machine_has_no_thread_left(
    gate: threading.Event, warnings: Queue[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = DaemonExecutor(1)
    running_in(pool, gate)
    waiting = [pool.submit(lambda: "never") for _ in range(2)]
    monkeypatch.setattr(threading.Thread, "start", start)
    gate.set()
    for job in waiting:
        assert "can't start" in str(job.exception(DEADLINE))


@pytest.mark.parametrize("raised", [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_no_loop_can_deliver_arrives_as_an_error_with_its_cause(raised: type[BaseException]) -> None:
    def job() -> None:
        raise raised

    error = DaemonExecutor(1).submit(job).exception(DEADLINE)
    assert type(error) is RuntimeError
    assert isinstance(error.__cause__, raised)


def blocking_tool(gate: threading.Event) -> tuple[Queue[None], Any]:
    """A tool that blocks its thread until the gate opens, and a queue that tells of every call that has begun."""
    begun: Queue[None] = Queue()

    @tool
    def block() -> str:
        """Block a thread."""
        begun.put(None)
        gate.wait(DEADLINE)
        return "done"

    return begun, block


async def test_more_synchronous_tools_run_at_once_than_the_machine_has_processors(
    serve: Serve, gate: threading.Event
) -> None:
    begun, block = blocking_tool(gate)
    server, many = serve(having(block)), min(32, (os.cpu_count() or 1) + 4) + 1  # asyncio's own executor, and one
    asking = [asyncio.create_task(server.ask("[words=1 pause=0 tool=block]")) for _ in range(many)]
    for _ in range(many):
        await asyncio.to_thread(begun.get, timeout=DEADLINE)
    gate.set()
    assert {(await reply).code for reply in asking} == {None}


async def test_tools_that_hang_in_runs_that_were_left_stop_nobody_else(
    serve: Serve, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.app._THREADS", 2)
    begun, block = blocking_tool(gate)

    @tool
    def look() -> str:
        """Be quick."""
        return "quick"

    server = serve(having(block, look))
    for _ in range(3):
        async with server.open("[words=1 pause=0 tool=block]") as response:
            lines = response.aiter_lines()  # kept: httpx hangs up when its iterator is dropped
            await until(lines, "TOOL_CALL_END")
            await asyncio.to_thread(begun.get, timeout=DEADLINE)
        server.log()
    assert (await server.ask("[words=1 pause=0 tool=look]")).code is None
