"""A run outlives its connection: it is read again, stopped, replaced and remembered, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from ag_ui.core import (
    CustomEvent,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)

from agent import eventlog
from agent.eventlog import EventLog, GoneError
from tests import loopback
from tests.agent.support import (
    DEADLINE,
    Reply,
    Serve,
    Server,
    attach,
    client_of,
    events_in,
    new_session,
    question,
    stock,
    token,
    until,
)

pytestmark = pytest.mark.anyio

LASTING: dict[str, Any] = {"detached_seconds": 300}


class Gate:
    """An agent that says one word, and the next when it is told to."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.ended = threading.Event()

    async def __call__(self, run: Any) -> AsyncIterator[str]:
        try:
            yield "first "
            while not self.open.is_set():  # noqa: ASYNC110 - another thread sets it
                await asyncio.sleep(0.005)
            yield "second"
        finally:
            self.ended.set()


async def leave(server: Server, body: Any, session: str, after: str = "first") -> list[str]:
    """Ask, read up to a line that holds `after`, hang up; return the lines."""
    async with server.open(body, session=session) as response:
        return await until(response.aiter_lines(), after)


async def settled(server: Server, status: str) -> dict[str, Any]:
    """Return what /ping says once it says `status`."""
    async with loopback.AsyncClient() as client:
        while True:
            answer: dict[str, Any] = (await client.get(f"{server.url}/ping")).json()
            if answer["status"] == status:
                return answer
            await asyncio.sleep(0.005)


async def test_a_run_goes_on_without_a_reader_and_is_taken_up_where_it_was_left(serve: Serve) -> None:
    gate, session = Gate(), new_session()
    server = serve(gate, **LASTING)
    seen = events_in(await leave(server, question(), session))
    async with server.open(attach(after=len(seen)), session=session) as response:
        gate.open.set()
        lines = [line async for line in response.aiter_lines()]
    rest = Reply(response, lines, events_in(lines))
    assert "".join(event.get("delta", "") for event in [*seen, *rest.events]) == "first second"
    numbers = [int(line.rpartition(":")[2]) for line in rest.lines if line.startswith("id: ")]
    assert numbers == list(range(len(seen) + 1, len(seen) + len(rest.events) + 1))
    line = server.log()
    assert (line["outcome"], line["attached"]) == ("completed", 1)


async def test_ping_is_busy_while_a_run_is_under_way_and_its_time_moves_only_then(serve: Serve) -> None:
    gate, session = Gate(), new_session()
    server = serve(gate, **LASTING)
    idle = await settled(server, "Healthy")
    await leave(server, question(), session)
    busy = await settled(server, "HealthyBusy")
    assert await settled(server, "HealthyBusy") == busy
    gate.open.set()
    after = await settled(server, "Healthy")
    assert idle["time_of_last_update"] <= busy["time_of_last_update"] <= after["time_of_last_update"]
    assert await settled(server, "Healthy") == after


@pytest.mark.parametrize("after", [0, 3, 6, 7, 10_000])
async def test_the_last_event_is_sent_whatever_the_reader_has(serve: Serve, after: int) -> None:
    session, body = new_session(), question("Hi [words=2 pause=0]")
    server = serve(**LASTING)
    whole = await server.ask(body, session=session)
    assert len(whole.events) == 6
    again = await server.ask(attach(body["runId"], after), session=session)
    assert again.events == whole.events[min(after, 5) :]


async def test_what_is_not_there_has_its_own_code(serve: Serve) -> None:
    session = new_session()
    server = serve(**LASTING)
    for body in (attach(), attach("nobody"), stock("attach")):
        assert (await server.ask(body, session=session)).code == "RUN_UNKNOWN"
    await server.ask(question("Hi [words=1 pause=0]"), session=session)
    assert (await server.ask(attach("nobody"), session=session)).code == "RUN_UNKNOWN"
    assert (await server.ask({**attach(), "threadId": "another"}, session=session)).code == "RUN_UNKNOWN"
    assert (await server.ask(attach(), session=session, user="mallory")).code == "SESSION_FORBIDDEN"
    assert (await server.ask(attach(), session=new_session(), user="mallory")).code == "RUN_UNKNOWN"


async def test_only_a_question_claims_a_session(serve: Serve) -> None:
    session = new_session()
    server = serve(**LASTING)
    for verb in ("attach", "stop", "history"):
        await server.ask({"threadId": "t", verb: {}}, session=session, user="mallory")
    assert (await server.ask(question("Hi [words=1 pause=0]"), session=session, user="alice")).code is None


async def post(server: Server, body: Any, session: str, user: str = "alice") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token(user)}", "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id": session}
    async with loopback.AsyncClient(timeout=DEADLINE) as client:
        return await client.post(f"{server.url}/invocations", json=body, headers=headers)


@pytest.mark.parametrize("named", [True, False], ids=["by its id", "the thread's"])
async def test_stop_ends_a_run_that_nobody_reads(serve: Serve, named: bool) -> None:
    gate, session, body = Gate(), new_session(), question()
    server = serve(gate, **LASTING)
    await leave(server, body, session)
    asked = {"runId": body["runId"]} if named else {}
    answer = await post(server, {"threadId": "t", "stop": asked}, session)
    assert (answer.headers["content-type"], answer.json()) == ("application/json", {"stopped": True})
    assert gate.ended.is_set()
    assert server.log()["outcome"] == "stopped"
    assert (await post(server, {"threadId": "t", "stop": asked}, session)).json() == {"stopped": False}
    last = (await server.ask(attach(body["runId"]), session=session)).events[-1]
    assert (last["type"], last["code"]) == ("RUN_ERROR", "STOPPED")


async def test_stop_of_anothers_run_or_of_nothing_stops_nothing(serve: Serve) -> None:
    gate, session = Gate(), new_session()
    server = serve(gate, **LASTING)
    await leave(server, question(), session)
    assert (
        await server.ask({"threadId": "t", "stop": {}}, session=session, user="mallory")
    ).code == "SESSION_FORBIDDEN"
    other = await post(server, {"threadId": "t", "stop": {}}, new_session(), user="mallory")
    assert other.json() == {"stopped": False}
    wrong = await post(server, {"threadId": "t", "stop": {"runId": "nobody"}}, session)
    assert wrong.json() == {"stopped": False}
    gate.open.set()
    assert (await server.ask(attach(), session=session)).types[-1] == "RUN_FINISHED"


@pytest.mark.parametrize(
    ("version", "last"), [("1.0", "RUN_FINISHED"), ("1.1.0", "RUN_FINISHED"), ("0.9", "RUN_ERROR")]
)
async def test_a_cancelled_outcome_is_told_only_to_who_can_read_it(serve: Serve, version: str, last: str) -> None:
    gate, session = Gate(), new_session()
    server = serve(gate, **LASTING)
    async with server.open(question(protocolVersion=version), session=session) as response:
        lines = response.aiter_lines()
        await until(lines, "first")
        told = await server.ask(stock("stop"), session=session)
        assert (told.types, told.events[-1]["result"]) == (["RUN_STARTED", "RUN_FINISHED"], {"stopped": True})
        end = events_in([line async for line in lines])
    assert [event["type"] for event in end] == ["TEXT_MESSAGE_END", last]
    assert end[-1].get("outcome", {"type": "cancelled"}) == {"type": "cancelled"}


async def test_a_new_question_ends_the_run_of_its_thread_and_of_no_other(serve: Serve) -> None:
    gate, session = Gate(), new_session()
    server = serve(gate, **LASTING)
    first, other = question(), question() | {"threadId": "other"}
    await leave(server, first, session)
    await leave(server, other, session)
    async with server.open(question(), session=session) as response:
        await until(response.aiter_lines(), "first")
        assert server.log()["outcome"] == "replaced"
        assert (await server.ask(attach(first["runId"]), session=session)).code == "STOPPED"
        gate.open.set()
        rest = await server.ask(attach(other["runId"]) | {"threadId": "other"}, session=session)
        assert rest.text == "first second"


async def test_a_thread_may_refuse_a_question_while_it_answers(serve: Serve) -> None:
    gate, session = Gate(), new_session()
    server = serve(gate, when_busy="reject", **LASTING)
    await leave(server, question(), session)
    assert (await server.ask(question(), session=session)).code == "SESSION_BUSY"
    gate.open.set()
    await settled(server, "Healthy")
    assert (await server.ask(question(), session=session)).code is None


async def test_a_question_asked_twice_under_one_id_is_answered_once(serve: Serve) -> None:
    gate, session, body = Gate(), new_session(), question()
    server = serve(gate, **LASTING)
    seen = events_in(await leave(server, body, session))
    gate.open.set()
    again = await server.ask(body, session=session)
    assert again.events[: len(seen)] == seen
    assert again.text == "first second"
    assert (await server.ask(body, session=session)).events == again.events
    other = question("Something else") | {"runId": body["runId"]}
    assert (await server.ask(other, session=session)).code == "INVALID_INPUT"
    assert server.log()["outcome"] == "completed"
    assert server.log()["outcome"] == "refused"


async def test_a_run_that_nobody_comes_back_to_is_abandoned_and_a_timely_reader_prevents_it(serve: Serve) -> None:
    gate, session, body = Gate(), new_session(), question()
    server = serve(gate, detached_seconds=1.5)
    await leave(server, body, session)
    async with server.open(attach(), session=session) as response:
        lines = response.aiter_lines()
        await until(lines, "first")
        assert await anext(lines) == ""
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(lines), 2.0)  # longer than it may go unread
        assert not gate.ended.is_set()
    assert await asyncio.to_thread(gate.ended.wait, DEADLINE)
    line = server.log()
    assert (line["outcome"], line["attached"]) == ("abandoned", 1)
    assert line["unreadSeconds"] >= 1.5
    assert (await server.ask(attach(body["runId"]), session=session)).code == "STOPPED"


async def test_a_connection_ends_when_its_time_is_over_and_the_run_does_not(serve: Serve) -> None:
    gate, session, body = Gate(), new_session(), question()
    server = serve(gate, connection_seconds=0.3, **LASTING)
    first = await server.ask(body, session=session)  # ends by itself
    assert first.types[-1] == "TEXT_MESSAGE_CONTENT"
    gate.open.set()
    rest = await server.ask(attach(body["runId"], len(first.events)), session=session)
    assert first.text + rest.text == "first second"
    assert rest.types[-1] == "RUN_FINISHED"


async def test_a_ninth_reader_ends_the_first(serve: Serve) -> None:
    gate, session, body = Gate(), new_session(), question()
    server = serve(gate, **LASTING)
    async with server.open(body, session=session) as response:
        first = response.aiter_lines()
        await until(first, "first")
        readers = [asyncio.ensure_future(server.ask(attach(), session=session)) for _ in range(8)]
        left = [line async for line in first]  # to the end of the connection
        assert not any("RUN_FINISHED" in line for line in left)
        gate.open.set()
        whole = await asyncio.gather(*readers)
    assert {reply.text for reply in whole} == {"first second"}


async def test_events_of_a_finished_run_are_kept_for_a_while_and_then_forgotten(serve: Serve) -> None:
    session, body = new_session(), question("Hi [words=1 pause=0]")
    server = serve(keep_seconds=0.2, **LASTING)
    await server.ask(body, session=session)
    while (reply := await server.ask(attach(body["runId"]), session=session)).code is None:
        assert reply.types[-1] == "RUN_FINISHED"
        await asyncio.sleep(0.05)
    assert reply.code == "RUN_UNKNOWN"
    kept = await server.ask({"threadId": "t", "history": {}}, session=session)
    assert kept.types == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]


async def test_who_falls_below_what_is_kept_is_told_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "MAX_RUN_BYTES", 200_000)

    async def build(run: Any) -> AsyncIterator[str]:
        for number in range(400):
            yield f"{number} {'x' * 1000}"

    session, body = new_session(), question()
    server = serve(build, **LASTING)
    await server.ask(body, session=session)
    gone = await server.ask(attach(body["runId"], 1), session=session)
    assert (gone.types, gone.code) == (["RUN_ERROR"], "EVENTS_GONE")
    kept = await server.ask(attach(body["runId"], 390), session=session)
    assert kept.types[-1] == "RUN_FINISHED"
    assert (await server.ask(stock("attach"), session=session)).types[-1] == "RUN_FINISHED"


async def test_a_stock_client_that_attaches_to_a_finished_run_gets_each_message_once(serve: Serve) -> None:
    async def build(run: Any) -> AsyncIterator[str]:
        yield "answer"

    session, body = new_session(), question()
    server = serve(build, **LASTING)
    await server.ask(body, session=session)
    again = await server.ask(stock("attach"), session=session)
    snapshot = next(event["messages"] for event in again.events if event["type"] == "MESSAGES_SNAPSHOT")
    assert [message["role"] for message in snapshot] == ["user", "assistant"]


async def test_a_reader_far_behind_never_holds_the_run_up(serve: Serve) -> None:
    done = threading.Event()

    async def build(run: Any) -> AsyncIterator[str]:
        for _ in range(3_000):
            yield "x" * 4_000
        done.set()

    server, session, body = serve(build, **LASTING), new_session(), question()
    async with server.open(body, session=session) as response:
        lines = response.aiter_lines()
        await until(lines, "TEXT_MESSAGE_START")
        assert await asyncio.to_thread(done.wait, DEADLINE)  # with nobody reading
        rest = events_in([line async for line in lines])
    assert sum(event["type"] == "TEXT_MESSAGE_CONTENT" for event in rest) == 3_000
    assert rest[-1]["type"] == "RUN_FINISHED"


async def test_one_event_that_is_too_large_ends_the_run(serve: Serve) -> None:
    async def build(run: Any) -> AsyncIterator[Any]:
        yield "word"
        yield CustomEvent(name="big", value="x" * 1_100_000)

    server = serve(build, **LASTING)
    assert (await server.ask("Hi")).code == "INTERNAL"
    assert "the limit is 1048576" in server.log()["stackTrace"]


def test_what_a_log_keeps_is_bounded_and_what_it_gives_is_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "MAX_RUN_BYTES", 10_000)
    log = EventLog("r")
    for number in range(1, 500):
        log.append(CustomEvent(name="n", value=number))
        assert log.size <= 10_000
        chunk, last = log.since(number - 1)
        assert last == number
        assert f"id: r:{number}\n".encode() in chunk
    with pytest.raises(GoneError):
        log.since(1)


async def history_of(server: Server, session: str, **options: Any) -> Reply:
    return await server.ask({"threadId": "t", "history": {}}, session=session, **options)


async def test_a_history_has_the_clients_ids_and_says_what_runs(serve: Serve) -> None:
    gate, session, body = Gate(), new_session(), question()
    server = serve(gate, **LASTING)
    empty = await history_of(server, session)
    assert empty.types == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    assert empty.events[-1]["result"] == {"kept": False}
    seen = events_in(await leave(server, body, session))
    running = await history_of(server, session)
    assert running.events[-1]["result"] == {"kept": False, "runningRunId": body["runId"]}
    gate.open.set()
    await settled(server, "Healthy")
    kept = await history_of(server, session)
    answer_id = next(event["messageId"] for event in seen if event["type"] == "TEXT_MESSAGE_START")
    assert [(one["id"], one["content"]) for one in kept.events[1]["messages"]] == [
        (body["messages"][0]["id"], "Hi"),
        (answer_id, "first second"),
    ]
    assert kept.events[-1]["result"] == {"kept": True, "lastOutcome": "completed"}
    assert not any(line.startswith("id:") for line in kept.lines)
    assert (await history_of(server, new_session(), user="mallory")).events[-1]["result"] == {"kept": False}


async def test_a_stopped_run_leaves_its_question_and_the_text_so_far(serve: Serve) -> None:
    entered, session = threading.Event(), new_session()
    histories: list[Any] = []

    async def build(run: Any) -> AsyncIterator[Any]:
        histories.append(run.history)
        if run.prompt == "go on":
            yield "Well."
            return
        yield "So far "
        yield ToolCallStartEvent(tool_call_id="c", tool_call_name="f")
        yield ToolCallEndEvent(tool_call_id="c")
        entered.set()
        await asyncio.sleep(3600)

    server = serve(build, **LASTING)
    async with server.open(question("Do it"), session=session) as response:
        lines = response.aiter_lines()
        await until(lines, "TOOL_CALL_END")
        await post(server, {"threadId": "t", "stop": {}}, session)
        end = events_in([line async for line in lines])
    assert [event["type"] for event in end] == ["TOOL_CALL_RESULT", "RUN_ERROR"]
    assert (await server.ask(question("go on"), session=session)).text == "Well."
    said = [(message["role"], message.get("content")) for message in histories[1]]
    assert said[:2] == [("user", "Do it"), ("assistant", "So far ")]
    assert said[-1] == ("tool", "The run was ended before this call had a result.")


def encoded(messages: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(message).encode() for message in messages]


async def test_a_client_that_sends_its_whole_conversation_may_do_so_for_a_hundred_turns_and_four_megabytes(
    serve: Serve,
) -> None:
    async def build(run: Any) -> AsyncIterator[Any]:
        # Most of the megabytes come with the last turns, because every question sends all of them again.
        if int(run.prompt.split()[1]) >= 70:
            call_id = str(uuid.uuid4())
            yield ToolCallStartEvent(tool_call_id=call_id, tool_call_name="f")
            yield ToolCallArgsEvent(tool_call_id=call_id, delta="{}")
            yield ToolCallEndEvent(tool_call_id=call_id)
            yield ToolCallResultEvent(message_id=str(uuid.uuid4()), tool_call_id=call_id, content="y" * 140_000)
        yield f"{len(run.history)} " + "x" * 1_000

    server, session = serve(build, max_messages=10_000, **LASTING), new_session()
    messages: list[bytes] = []  # in JSON: encoding all of them for each question would take most of the test's time
    body = b""
    for number in range(100):
        asked = question(f"Question {number}", state={}, tools=[])
        messages += encoded(asked.pop("messages"))
        body = json.dumps(asked).encode().removesuffix(b"}") + b', "messages": [%b]}' % b",".join(messages)
        reply = await server.ask(body, session=session)
        assert reply.code is None, number
        assert reply.text.startswith(f"{len(messages) - 1} ")  # nothing lost, nothing doubled
        messages += encoded(client_of(reply.events)[0])
    assert len(body) > 4_000_000
