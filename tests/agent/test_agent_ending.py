"""However a run ends, its caller is told, its log line is written, and nothing of it stays."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import closing, suppress
from typing import Any

import pytest
import uvicorn
from ag_ui.core import BaseEvent, CustomEvent, RunStartedEvent
from strands import Agent
from strands.hooks import AfterInvocationEvent

from agent import stream
from agent.app import _Server, _Service
from agent.settings import Settings
from agent.stream import KEEP_ALIVE, EventStream, RunStream
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
        self.left = threading.Event()
        self.release = threading.Event()

    async def __call__(self, run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        yield f"{len(history)}"
        if run.prompt != "deaf":
            return
        try:
            while not self.release.is_set():
                with suppress(BaseException):  # the mistake
                    await asyncio.sleep(0.01)
                if self.talks:
                    yield "word"
        finally:
            self.left.set()


@pytest.mark.parametrize("talks", [True, False], ids=["talks", "is silent"])
async def test_an_agent_that_swallows_its_cancellation_is_given_up_at_the_limit(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, talks: bool
) -> None:
    monkeypatch.setattr(stream, "GRACE_SECONDS", 0.1)
    deaf, session = Deaf(talks), new_session()
    server = serve(deaf, run_timeout_seconds=0.1)
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
    monkeypatch.setattr(stream, "GRACE_SECONDS", 0.1)
    deaf, session = Deaf(talks), new_session()
    server = serve(deaf)
    try:
        async with server.open("deaf", session=session) as response:
            lines = response.aiter_lines()  # kept: httpx hangs up when its iterator is dropped
            await until(lines, "CONTENT")
        assert (await server.ask("Hi", session=session)).text == "0"
        assert server.log()["outcome"] == "disconnected"
        if talks:
            assert await asyncio.to_thread(deaf.left.wait, DEADLINE)  # its next word was its last
    finally:
        deaf.release.set()


async def test_a_run_that_was_given_up_is_not_remembered_when_it_ends_after_all(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "GRACE_SECONDS", 0.05)
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

    server, session = serve(build, run_timeout_seconds=0.3), new_session()
    try:
        assert (await server.ask("deaf [words=1 pause=0]", session=session)).code == "RUN_TIMEOUT"
    finally:
        release.set()
    assert await asyncio.to_thread(ended.wait, DEADLINE)
    for _ in range(2):
        await server.ask("Hi [words=1 pause=0]", session=session)
    assert histories == [0, 0, 2]


def streaming(events: AsyncGenerator[BaseEvent, None], **settings: Any) -> RunStream:
    return RunStream(events, RunRecord(), Settings(model="scripted", **settings), running=set())


async def started(then: Callable[[], Awaitable[None]]) -> AsyncGenerator[BaseEvent, None]:
    yield RunStartedEvent(thread_id="t", run_id="r")
    await then()


async def test_run_started_has_left_before_the_agent_is_built() -> None:
    sent: list[bytes] = []
    seen: list[int] = []

    async def build() -> None:
        seen.append(len(sent))

    async for chunk in streaming(started(build)).body():
        sent.append(chunk)  # noqa: PERF401 - seen while it grows
    assert seen == [1]


async def test_no_task_and_no_stream_is_left_of_a_run() -> None:
    async def nothing() -> None:
        pass

    before = asyncio.all_tasks()
    run = streaming(started(nothing))
    async for _ in run.body():
        pass
    left = asyncio.all_tasks() - before
    if left:
        await asyncio.wait(left, timeout=1)
    assert asyncio.all_tasks() == before
    assert not run._running


async def test_a_response_that_is_cancelled_while_it_sends_closes_its_body_at_once() -> None:
    closed, sending = asyncio.Event(), asyncio.Event()

    async def words() -> AsyncGenerator[bytes, None]:
        try:
            yield b"word"
        finally:
            closed.set()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sending.set()
            await asyncio.sleep(3600)

    body = words()  # kept: a body that nobody refers to is closed by the garbage collector
    task = asyncio.create_task(EventStream(body, {}).stream_response(send))
    await sending.wait()
    task.cancel()
    await asyncio.wait([task])
    assert closed.is_set()


async def test_a_reader_that_has_stalled_gets_no_heartbeats_on_top() -> None:
    beats = asyncio.Event()

    async def events() -> AsyncGenerator[BaseEvent, None]:
        yield RunStartedEvent(thread_id="t", run_id="r")
        yield CustomEvent(name="queued", value=1)
        await beats.wait()

    run = streaming(events(), heartbeat_seconds=0.01)
    body = run.body()
    await anext(body)
    await run._ready.wait()  # something is queued, and nobody reads
    for _ in range(5):  # what is measured is that nothing comes: five intervals of nothing
        await asyncio.sleep(0.01)
    beats.set()
    assert KEEP_ALIVE not in await anext(body)
    await body.aclose()


async def test_what_waits_for_a_stalled_reader_is_bounded_in_bytes() -> None:
    made = 0

    async def events() -> AsyncGenerator[BaseEvent, None]:
        nonlocal made
        for _ in range(stream._QUEUED_EVENTS):
            made += 1
            yield CustomEvent(name="big", value="x" * stream._QUEUED_BYTES)

    body = streaming(events()).body()
    first = await anext(body)
    for _ in range(1000):  # turns of the loop: far more than a pump that did not wait would need
        await asyncio.sleep(0)
    assert first.count(b"data: ") == 1
    assert made <= 3
    await body.aclose()


async def test_stopping_tells_every_reader_and_waits_for_no_deaf_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(stream, "log_line", lines.append)
    monkeypatch.setattr(stream, "_STOP_SECONDS", 0.05)
    monkeypatch.setattr(stream, "GRACE_SECONDS", 3600)
    begun, release = asyncio.Semaphore(0), asyncio.Event()

    async def listens() -> None:
        begun.release()
        await asyncio.sleep(3600)

    async def is_deaf() -> None:
        begun.release()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    running: set[RunStream] = set()
    bodies = []
    for then in (listens, is_deaf):
        bodies.append(RunStream(started(then), RunRecord(), Settings(model="scripted"), running=running).body())
        assert b"RUN_STARTED" in await anext(bodies[-1])
        await begun.acquire()
    await stream.stop(running)
    for body in bodies:
        assert b"INTERNAL" in b"".join([chunk async for chunk in body])
    assert [line["code"] for line in lines] == ["INTERNAL", "INTERNAL"]
    release.set()
    while running:  # the deaf one, by now at its end
        await asyncio.wait([run.pump for run in running])
        await asyncio.sleep(0)
    assert len(lines) == 2


async def test_a_run_that_is_cancelled_before_its_first_step_ends_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(stream, "log_line", lines.append)

    async def never() -> None:
        raise AssertionError

    run = streaming(started(never))
    first = asyncio.ensure_future(anext(run.body()))
    await asyncio.sleep(0)  # the body has made the task of the run, which has not begun
    await stream.stop({run})
    assert b"INTERNAL" in await first
    assert [(line["outcome"], line["errorType"]) for line in lines] == [("error", "CancelledError")]


async def test_a_request_that_comes_while_the_server_stops_is_told_so() -> None:
    cancelled, release = threading.Event(), asyncio.Event()

    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        yield "word"
        if run.prompt == "deaf":
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    cancelled.set()
        await asyncio.sleep(3600)

    service = _Service(Settings(model="scripted"), build)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        server = _Server(uvicorn.Config(service.app, log_level="critical", timeout_graceful_shutdown=1), service)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        agent = Server(f"http://127.0.0.1:{port}")
        async with agent.open("deaf") as deaf:
            lines = deaf.aiter_lines()  # kept: lines that nobody refers to hang up
            await until(lines, "word")
            server.should_exit = True
            assert await asyncio.to_thread(cancelled.wait, DEADLINE)
            reply = await agent.ask("Hi")
        await asyncio.to_thread(thread.join, DEADLINE)
    assert (reply.types, reply.code) == (["RUN_ERROR"], "INTERNAL")
    assert "being stopped" in reply.events[-1]["message"]
