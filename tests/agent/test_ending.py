"""However a run ends, its caller is told, its log line is written, and nothing of it stays."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing, suppress
from typing import Any

import pytest
from ag_ui.core import CustomEvent, RunStartedEvent
from starlette.datastructures import Headers
from strands import Agent
from strands.hooks import AfterInvocationEvent

from agent import reader as reader_module
from agent import run as run_module
from agent import runs as runs_module
from agent.app import Service
from agent.caller import caller_of
from agent.eventlog import EventLog
from agent.reader import KEEP_ALIVE, EventStream, Reader
from agent.request import Run, command_of
from agent.server import Server as AgentServer
from agent.server import configuration
from agent.settings import Settings
from agent.telemetry import RunRecord
from tests.agent.support import DEADLINE, Serve, Server, having, new_session, until

pytestmark = pytest.mark.anyio

SECRET = "hunter2"


class OutOfTheOrdinary(BaseException):
    pass


async def exits() -> None:
    sys.exit(3)


async def is_cancelled() -> None:
    raise asyncio.CancelledError(SECRET)


async def waits_for_a_cancelled_task() -> None:
    task = asyncio.ensure_future(asyncio.sleep(3600))
    asyncio.get_running_loop().call_soon(task.cancel)
    await task


async def is_out_of_the_ordinary() -> None:
    raise OutOfTheOrdinary(SECRET)


async def is_closed() -> None:
    raise GeneratorExit


@pytest.mark.parametrize(
    "mistake", [exits, is_cancelled, waits_for_a_cancelled_task, is_out_of_the_ordinary, is_closed]
)
async def test_whatever_an_agent_raises_is_told_and_logged_as_its_failure(
    serve: Serve, mistake: Callable[[], Awaitable[None]]
) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        yield "word"
        if run.prompt == "fail":
            await mistake()

    server = serve(build)
    reply = await server.ask("fail")
    assert reply.code == "INTERNAL"
    assert SECRET not in "".join(reply.lines)
    line = server.log()
    assert line["outcome"] == "error"
    assert mistake.__name__ in line["stackTrace"]
    assert (await server.ask("stay")).code is None


class Deaf:
    """An agent that swallows its cancellation: it says a word, waits, and goes on until it is let go."""

    def __init__(self, talks: bool) -> None:
        self.talks = talks
        self.cancelled = threading.Event()
        self.left = threading.Event()
        self.release = threading.Event()

    async def __call__(self, run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        yield f"{len(history)}"
        if run.prompt != "deaf":
            return
        try:
            while not self.release.is_set():
                try:
                    await asyncio.sleep(0.01)
                except BaseException:  # noqa: BLE001 - the mistake
                    self.cancelled.set()
                if self.talks:
                    yield "word"
        finally:
            self.cancelled.set()
            self.left.set()


@pytest.mark.parametrize("talks", [True, False], ids=["talks", "is silent"])
async def test_an_agent_that_swallows_its_cancellation_is_given_up_at_the_limit(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, talks: bool
) -> None:
    monkeypatch.setattr(run_module, "GRACE_SECONDS", 0.1)
    deaf, session = Deaf(talks), new_session()
    server = serve(deaf, run_seconds=0.5)
    try:
        assert (await server.ask("deaf", session=session)).code == "RUN_TIMEOUT"
        line = server.log()
        assert line["code"] == "RUN_TIMEOUT"
        assert talks or "CancelledError" in line["stackTrace"]
        assert (await server.ask("Hi", session=session)).text == "0"
    finally:
        deaf.release.set()
    assert await asyncio.to_thread(deaf.left.wait, DEADLINE)
    server.log()  # of the second run; the first has had its line
    assert server.logs.empty()
    assert (await server.ask("Hi", session=session)).text == "2"  # nothing of the run that was given up


@pytest.mark.parametrize("talks", [True, False], ids=["talks", "is silent"])
async def test_an_agent_that_swallows_a_hang_up_keeps_its_session_no_longer_than_the_grace(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, talks: bool
) -> None:
    monkeypatch.setattr(run_module, "GRACE_SECONDS", 0.1)
    deaf, session = Deaf(talks), new_session()
    server = serve(deaf)
    try:
        async with server.open("deaf", session=session) as response:
            lines = response.aiter_lines()  # kept: httpx hangs up when its iterator is dropped
            await until(lines, "CONTENT")
        assert await asyncio.to_thread(deaf.cancelled.wait, DEADLINE)  # else the next question may replace the run
        assert (await server.ask("Hi", session=session)).text == "2"
        assert server.log()["outcome"] == "abandoned"
        if talks:
            assert await asyncio.to_thread(deaf.left.wait, DEADLINE)  # its next word was its last
    finally:
        deaf.release.set()


async def test_a_run_that_was_given_up_is_not_remembered_when_it_ends_after_all(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "GRACE_SECONDS", 0.05)
    release, ended = threading.Event(), threading.Event()
    histories: list[int] = []

    async def is_deaf(event: AfterInvocationEvent) -> None:
        while "deaf" in str(event.agent.messages[-2]) and not release.is_set():
            with suppress(BaseException):  # the mistake
                await asyncio.sleep(0.01)
        ended.set()

    def build(run: Any, model: Any, history: Any) -> Agent:
        histories.append(len(history))
        agent = having()(run, model, history)
        agent.add_hook(is_deaf, AfterInvocationEvent)
        return agent

    server, session = serve(build, run_seconds=0.3), new_session()
    try:
        assert (await server.ask("deaf [words=1 pause=0]", session=session)).code == "RUN_TIMEOUT"
    finally:
        release.set()
    assert await asyncio.to_thread(ended.wait, DEADLINE)
    for _ in range(2):
        await server.ask("Hi [words=1 pause=0]", session=session)
    assert histories == [0, 0, 2]


def reading(log: EventLog, **settings: Any) -> Reader:
    return Reader(log, Settings(model="scripted", **settings))


async def test_run_started_has_left_before_the_agent_is_built(serve: Serve) -> None:
    built, release = threading.Event(), threading.Event()

    def build(run: Any) -> Any:
        built.set()
        assert release.wait(DEADLINE)  # the whole loop stands still meanwhile
        raise RuntimeError

    async with serve(build).open("Hi") as response:
        lines = response.aiter_lines()  # kept: lines that nobody refers to hang up
        await until(lines, "RUN_STARTED")
        assert await asyncio.to_thread(built.wait, DEADLINE)
        release.set()
        await until(lines, "RUN_ERROR")


async def test_no_task_is_left_of_a_run(serve: Serve) -> None:
    tasks: list[set[str]] = []

    async def build(run: Any) -> AsyncIterator[str]:
        tasks.append({task.get_name() for task in asyncio.all_tasks()})
        yield "word"

    server = serve(build)
    await server.ask("Hi")
    for _ in range(3):
        await server.ask("Hi")
    assert all(sum(name == "agent" for name in names) == 1 for names in ([*one] for one in tasks))
    assert all(sum(name == "run" for name in names) == 1 for names in ([*one] for one in tasks))


async def test_a_response_that_is_cancelled_while_it_sends_has_no_reader_left() -> None:
    left, sending = asyncio.Event(), asyncio.Event()
    log = EventLog("r")
    log.append(RunStartedEvent(thread_id="t", run_id="r"))

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sending.set()
            await asyncio.sleep(3600)

    async def receive() -> Any:
        await asyncio.sleep(3600)

    reader = Reader(log, Settings(model="scripted"), on_close=lambda _: left.set())
    task = asyncio.create_task(EventStream(reader, {})({"type": "http"}, receive, send))
    await sending.wait()
    task.cancel()
    await asyncio.wait([task])
    assert left.is_set()


async def test_a_reader_that_takes_no_more_bytes_is_let_go_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader_module, "_CLOSE_SECONDS", 0.01)
    log = EventLog("r")
    log.append(RunStartedEvent(thread_id="t", run_id="r"))

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(3600)

    async def receive() -> Any:
        await asyncio.sleep(3600)

    stream = EventStream(reading(log, connection_seconds=0.01), {})
    await asyncio.wait_for(stream({"type": "http"}, receive, send), DEADLINE)


async def test_a_reader_that_has_stalled_gets_no_heartbeats_on_top() -> None:
    log = EventLog("r")
    log.append(RunStartedEvent(thread_id="t", run_id="r"))
    body = reading(log, heartbeat_seconds=0.01).body()
    await anext(body)
    for number in range(5):  # what is measured is that nothing comes: five intervals of nothing
        log.append(CustomEvent(name="queued", value=number))
        await asyncio.sleep(0.01)
    log.end()
    assert KEEP_ALIVE not in b"".join([chunk async for chunk in body])


async def test_stopping_tells_every_reader_and_waits_for_no_deaf_agent(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "STOP_SECONDS", 0.05)
    monkeypatch.setattr(run_module, "GRACE_SECONDS", 3600)
    begun, release = asyncio.Semaphore(0), asyncio.Event()

    async def build(run: Any) -> AsyncIterator[str]:
        yield "word"
        begun.release()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                if run.prompt != "deaf":
                    raise

    service = Service(Settings(model="scripted", require_user=False), build)
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(run_module, "log_line", lines.append)
    async with service.lifespan(service.app):
        readers = []
        for prompt in ("listens", "deaf"):
            caller = caller_of(Headers(), service._settings)
            run = command_of({"prompt": prompt}, caller, service._settings)
            assert isinstance(run, Run)
            readers.append(service.runs.start(run, caller, RunRecord(run=run)))
        bodies = [asyncio.ensure_future(whole(reader)) for reader in readers]
        for _ in readers:
            await begun.acquire()
        await service.stop()
        for body in bodies:
            assert b"being stopped" in await body
        assert [line["code"] for line in lines] == ["INTERNAL", "INTERNAL"]
        release.set()
    assert len(lines) == 2


async def whole(reader: Reader) -> bytes:
    return b"".join([chunk async for chunk in reader.body()])


async def test_a_request_that_comes_while_the_server_stops_is_told_so() -> None:
    cancelled, release = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def build(run: Any) -> AsyncIterator[str]:
        loops.append(asyncio.get_running_loop())
        yield "word"
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                cancelled.set()

    settings = Settings(model="scripted", session_from="header")
    service = Service(settings, build)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        server = AgentServer(configuration(service.app, settings), service)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        agent = Server(f"http://127.0.0.1:{port}")
        async with agent.open("deaf") as deaf:
            lines = deaf.aiter_lines()  # kept: lines that nobody refers to hang up
            await until(lines, "word")
            server.should_exit = True
            assert await asyncio.to_thread(cancelled.wait, DEADLINE)
            reply = await agent.ask("Hi")
            loops[0].call_soon_threadsafe(release.set)
        await asyncio.to_thread(thread.join, DEADLINE)
        assert not thread.is_alive()
    assert (reply.types, reply.code) == (["RUN_ERROR"], "INTERNAL")
    assert "being stopped" in reply.events[-1]["message"]
