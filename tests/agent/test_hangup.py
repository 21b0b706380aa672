"""When the caller goes away, so does everything that was done for them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from strands import Agent, tool

from agent.telemetry import RunRecord
from tests.agent.support import DEADLINE, Serve, Server, new_session, until

pytestmark = pytest.mark.anyio

# Seconds from the disconnect to the end of whatever the agent was doing.
PROMPT = 0.1


class Clock:
    """When the agent noticed; set from the server's thread."""

    def __init__(self) -> None:
        self.noticed = 0.0
        self.event = threading.Event()

    def notice(self) -> None:
        self.noticed = time.monotonic()
        self.event.set()

    def since(self, moment: float) -> float:
        assert self.event.wait(DEADLINE), "nobody noticed"
        return self.noticed - moment


async def leave(
    server: Server,
    after: str,
    prompt: str = "Hi",
    session: str | None = None,
    once: threading.Event | None = None,
) -> float:
    """Ask, read up to a line that holds `after`, wait for `once`, hang up, and return when."""
    async with server.open(prompt, session=session) as response:
        lines = response.aiter_lines()  # kept: httpx hangs up when its iterator is dropped
        await until(lines, after)
        if once is not None:
            assert await asyncio.to_thread(once.wait, DEADLINE)
        return time.monotonic()


async def test_an_agent_that_talks_is_cancelled(serve: Serve) -> None:
    clock = Clock()

    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        try:
            while True:
                yield "word "
                await asyncio.sleep(0.005)
        finally:
            clock.notice()

    server = serve(build)
    assert clock.since(await leave(server, "CONTENT")) < PROMPT
    line = server.log()
    assert line["outcome"] == "abandoned"
    assert line["level"] == "INFO"
    assert line["events"] >= 3


async def test_an_agent_that_is_silent_is_cancelled(serve: Serve) -> None:
    clock = Clock()

    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        yield "word"
        try:
            await asyncio.sleep(3600)
        finally:
            clock.notice()

    assert clock.since(await leave(serve(build), "CONTENT")) < PROMPT


async def test_a_run_ends_at_once_while_a_tool_blocks_its_thread(serve: Serve) -> None:
    entered, release = threading.Event(), threading.Event()

    @tool
    def block() -> str:
        """Block a thread."""
        entered.set()
        release.wait(DEADLINE)
        return "late"

    def build(run: Any, model: Any, history: Any) -> Agent:
        return Agent(model=model, tools=[block], callback_handler=None)

    server = serve(build)
    try:
        left = await leave(server, "TOOL_CALL_END", "[tool=block]", once=entered)
        line = server.log()
        assert time.monotonic() - left < PROMPT
        assert line["outcome"] == "abandoned"
        assert not release.is_set()
    finally:
        release.set()


async def test_a_run_ends_at_once_while_an_asynchronous_tool_waits(serve: Serve) -> None:
    clock, entered = Clock(), threading.Event()

    @tool
    async def linger() -> str:
        """Wait for ever."""
        entered.set()
        try:
            await asyncio.sleep(3600)
        finally:
            clock.notice()
        return ""

    def build(run: Any, model: Any, history: Any) -> Agent:
        return Agent(model=model, tools=[linger], callback_handler=None)

    assert clock.since(await leave(serve(build), "TOOL_CALL_END", "[tool=linger]", once=entered)) < PROMPT


async def test_the_next_run_of_a_thread_knows_what_an_abandoned_one_has_said(serve: Serve) -> None:
    histories = []

    def build(run: Any, model: Any, history: Any) -> Agent:
        histories.append([message["content"][0].get("text") for message in history])
        return Agent(model=model, messages=history, callback_handler=None)

    server, session = serve(build), new_session()
    await leave(server, "CONTENT", "[words=2 pause=0 silence=3600 at=1]", session)
    reply = await server.ask("Hi [words=1 pause=0]", session=session)
    assert reply.types[-1] == "RUN_FINISHED"
    assert histories == [[], ["[words=2 pause=0 silence=3600 at=1]", "This"]]


async def test_a_caller_who_leaves_while_waiting_for_a_turn_gives_it_up(serve: Serve) -> None:
    server, session = serve(when_busy="queue"), new_session()
    async with server.open("[words=2 pause=0 silence=3600 at=1]", session=session) as first:
        lines = first.aiter_lines()  # kept: httpx hangs up when its iterator is dropped
        await until(lines, "CONTENT")
        await leave(server, "RUN_STARTED", "Hi", session)
        assert server.log()["outcome"] == "abandoned"
    assert server.log()["outcome"] == "abandoned"
    assert (await server.ask("Hi [words=1 pause=0]", session=session)).code is None


async def test_a_hang_up_in_the_middle_of_the_request_is_no_run(serve: Serve) -> None:
    server = serve()
    host, port = httpx.URL(server.url).host, httpx.URL(server.url).port
    _, writer = await asyncio.open_connection(host, port)
    writer.write(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await server.ask("Hi [words=1 pause=0]")).code is None
    assert server.log()["outcome"] == "completed"


async def test_a_run_may_not_take_longer_than_its_limit(serve: Serve) -> None:
    server = serve(run_seconds=0.3)
    reply = await server.ask("[words=2 pause=0 silence=3600 at=1]")
    assert reply.code == "RUN_TIMEOUT"
    assert reply.text in ("This", "")  # nothing, where the machine was too busy for the first word
    assert server.log()["outcome"] == "timeout"


async def test_a_timeout_inside_an_agent_is_not_the_runs_limit(serve: Serve) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        yield "word"
        async with asyncio.timeout(0.01):
            await asyncio.sleep(3600)

    assert (await serve(build).ask("Hi")).code == "INTERNAL"


def test_a_run_counts_its_events_and_its_first_moments() -> None:
    record = RunRecord()
    record.count_event(token=False)
    record.count_event(token=True)
    record.count_event(token=True)
    assert record.events == 3
    assert record.first_event is not None
    assert record.first_token is not None
    assert record.first_event <= record.first_token
