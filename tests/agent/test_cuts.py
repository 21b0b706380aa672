"""A stream that is cut, anywhere and any number of times, is whole again once it is attached to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from ag_ui.core import (
    ReasoningEndEvent,
    ReasoningMessageContentEvent,
    ReasoningMessageEndEvent,
    ReasoningMessageStartEvent,
    ReasoningStartEvent,
    StateDeltaEvent,
    StateSnapshotEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.eventlog import EventLog, encode
from agent.reader import Reader
from agent.settings import Settings
from tests.agent.support import Serve, attach, client_of, events_in, new_session, question, stock, until

pytestmark = pytest.mark.anyio

LASTING: dict[str, Any] = {"detached_seconds": 300}


async def every_kind(run: Any) -> AsyncIterator[Any]:
    """Reasoning, a tool call, text, state and a silence."""
    yield ReasoningStartEvent(message_id="r")
    yield ReasoningMessageStartEvent(message_id="r1", role="reasoning")
    yield ReasoningMessageContentEvent(message_id="r1", delta="Hm é\u2028")
    yield ReasoningMessageEndEvent(message_id="r1")
    yield ReasoningEndEvent(message_id="r")
    yield ToolCallStartEvent(tool_call_id="c", tool_call_name="f", parent_message_id="a")
    yield ToolCallArgsEvent(tool_call_id="c", delta='{"a":')
    yield ToolCallArgsEvent(tool_call_id="c", delta=" 1}")
    yield ToolCallEndEvent(tool_call_id="c")
    yield ToolCallResultEvent(message_id="t1", tool_call_id="c", content="done", role="tool")
    yield StateSnapshotEvent(snapshot={"n": 1})
    yield StateDeltaEvent.model_validate(
        {"type": "STATE_DELTA", "delta": [{"op": "replace", "path": "/n", "value": 2}]}
    )
    yield TextMessageStartEvent(message_id="m", role="assistant")
    yield TextMessageContentEvent(message_id="m", delta="Hello ")
    await asyncio.sleep(0.03)  # a heartbeat
    yield TextMessageContentEvent(message_id="m", delta="world")
    yield TextMessageEndEvent(message_id="m")


def blocks(raw: bytes) -> tuple[list[tuple[int, dict[str, Any]]], bytes]:
    """Return the whole events in `raw`, each with its number, as a client has them, and the half one after them."""
    *whole, half = raw.split(b"\n\n")
    events = []
    for block in whole:
        lines = block.decode().split("\n")
        if lines[0].startswith("id: "):
            events.append((int(lines[0].rpartition(":")[2]), json.loads(lines[1].removeprefix("data: "))))
    return events, half


@given(st.sampled_from([TextMessageContentEvent, ReasoningMessageContentEvent, ToolCallArgsEvent]), st.data())
def test_a_delta_is_encoded_as_ag_ui_itself_would(kind: type[Any], data: st.DataObject) -> None:
    text = st.text(min_size=1)
    id_name = "tool_call_id" if kind is ToolCallArgsEvent else "message_id"
    more: dict[str, Any] = data.draw(st.sampled_from([{}, {"metadata": {"a": 1}}, {"raw_event": [1]}, {"extra": "x"}]))
    event = kind(**{id_name: data.draw(text), "delta": data.draw(text), **more})
    frame = encode(event, "r:1").decode()
    head, line, *rest = frame.split("\n")
    assert (head, rest) == ("id: r:1", ["", ""])
    assert json.loads(line.removeprefix("data: ")) == json.loads(event.model_dump_json(by_alias=True))


async def record(build: Any) -> EventLog:
    """Return the log of a run of `build`."""
    log = EventLog("run")
    async for event in build(None):
        log.append(event)
    log.end()
    return log


@pytest.fixture(scope="module")
def log() -> EventLog:
    """The log of a run that has ended, which readers leave as it is."""
    return asyncio.run(record(every_kind))


@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_a_stream_cut_anywhere_and_attached_to_is_the_uncut_stream(log: EventLog, data: st.DataObject) -> None:
    async def read(after: int) -> bytes:
        reader = Reader(log, Settings(model="scripted"), after=after)
        return b"".join([chunk async for chunk in reader.body()])

    async def check() -> None:
        whole = await read(0)
        expected, _ = blocks(whole)
        seen: list[tuple[int, dict[str, Any]]] = []
        for _ in range(data.draw(st.integers(0, 5))):
            raw = await read(seen[-1][0] if seen else 0)
            events, _half = blocks(raw[: data.draw(st.integers(0, len(raw)))])
            seen += events
        rest, half = blocks(await read(seen[-1][0] if seen else 0))
        assert half == b""
        assert [*seen, *rest] == expected

    asyncio.run(check())


async def test_a_connection_cut_behind_every_event_loses_nothing(serve: Serve) -> None:
    session, server = new_session(), serve(every_kind, heartbeat_seconds=0.01, **LASTING)
    whole = await server.ask(question(), session=session)
    assert ": keep-alive" in whole.lines
    for number in range(1, len(whole.events)):
        body = question()
        seen: list[dict[str, Any]] = []
        async with server.open(body, session=session) as response:
            lines = response.aiter_lines()  # kept: lines that nobody refers to hang up
            while len(seen) < number:
                seen += events_in([await anext(lines)])
        rest = await server.ask(attach(body["runId"], number), session=session)
        assert told([*seen, *rest.events]) == told(whole.events)


def told(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events without what differs from run to run."""
    return [{key: value for key, value in event.items() if key not in {"timestamp", "runId"}} for event in events]


async def test_a_stock_client_that_attaches_holds_what_the_uncut_run_gave(serve: Serve) -> None:
    total = len([event async for event in every_kind(None)])
    allowed = total

    async def build(run: Any) -> AsyncIterator[Any]:
        number = 0
        async for event in every_kind(run):
            while number >= allowed:  # noqa: ASYNC110 - another thread sets it
                await asyncio.sleep(0.001)
            yield event
            number += 1

    server, session = serve(build, **LASTING), new_session()
    expected = client_of((await server.ask(question(), session=session)).events)
    for cut in range(total):
        allowed = cut
        body = question() | {"threadId": f"t{cut}"}
        async with server.open(body, session=session) as response:
            lines = response.aiter_lines()
            seen = await until(lines, "RUN_STARTED")
            while len(events_in(seen)) <= cut:
                seen.append(await anext(lines))
            async with server.open(stock("attach") | {"threadId": body["threadId"]}, session=session) as attached:
                again = attached.aiter_lines()
                seen = await until(again, "MESSAGES_SNAPSHOT")
                assert not any(line.startswith("id:") for line in seen)
                allowed = total
                seen += [line async for line in again]
        messages, state = client_of(events_in(seen))
        assert messages[0]["role"] == "user"
        assert (messages[1:], state) == expected, cut
