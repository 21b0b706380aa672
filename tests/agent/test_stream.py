"""What goes over the wire: the sequence of events, their encoding, the heartbeat."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx_sse import EventSource

from tests.agent.support import SESSION, Serve, Server, events_in, new_session, until

pytestmark = pytest.mark.anyio


async def test_an_answer_is_one_message_between_run_started_and_run_finished(shared: Server) -> None:
    reply = await shared.ask("Hi [words=5 pause=0]")
    assert reply.types == [
        "RUN_STARTED",
        "TEXT_MESSAGE_START",
        *["TEXT_MESSAGE_CONTENT"] * 5,
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
    ]
    assert len(reply.text.split()) == 5
    assert len({event["messageId"] for event in reply.events if "messageId" in event}) == 1


async def test_the_answer_quotes_the_prompt_and_is_the_same_every_time(shared: Server) -> None:
    first = await shared.ask("What is a heron? [pause=0]")
    second = await shared.ask("What is a heron? [pause=0]")
    assert "What is a heron?" in first.text
    assert first.text == second.text
    assert 60 <= len(first.text.split()) <= 80


async def test_the_response_is_an_uncached_untransformed_event_stream_of_unknown_length(shared: Server) -> None:
    reply = await shared.ask("Hi [words=1 pause=0]", session=new_session())
    headers = reply.response.headers
    assert reply.response.status_code == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-cache, no-transform"
    assert headers["access-control-allow-origin"] == "https://chat.example"
    assert "content-length" not in headers
    assert SESSION not in headers


async def test_without_a_session_header_the_new_session_is_returned_and_is_the_thread(shared: Server) -> None:
    reply = await shared.ask("Hi [words=1 pause=0]")
    assert reply.events[0]["threadId"] == reply.response.headers[SESSION]


async def test_every_event_is_one_data_line_stamped_with_the_time_it_was_sent(shared: Server) -> None:
    before = time.time() * 1000
    reply = await shared.ask("Hi [words=3 pause=0.05]")
    after = time.time() * 1000
    stamps = [event["timestamp"] for event in reply.events]
    assert stamps == sorted(stamps)
    assert before - 1 <= stamps[0]
    assert stamps[-1] <= after
    run_id = reply.events[0]["runId"]
    ids = [line for line in reply.lines if line.startswith("id: ")]
    assert ids == [f"id: {run_id}:{number}" for number in range(1, len(reply.events) + 1)]
    assert [line[:4] for line in reply.lines] == ["id: ", "data", ""] * len(reply.events)


async def test_words_leave_when_they_are_said(shared: Server) -> None:
    async with shared.open("Hi [words=2 pause=0 silence=30 at=1]") as response:
        await until(response.aiter_lines(), "TEXT_MESSAGE_CONTENT")  # 30 s before the answer is complete


async def test_ids_of_an_ag_ui_run_come_back(shared: Server) -> None:
    thread, run = new_session(), str(uuid.uuid4())
    body = {"threadId": thread, "runId": run, "messages": [{"id": "1", "role": "user", "content": "Hi [words=1]"}]}
    reply = await shared.ask(body)
    for event in (reply.events[0], reply.events[-1]):
        assert (event["threadId"], event["runId"]) == (thread, run)


async def test_a_tool_call_is_told_with_its_arguments_and_its_result(shared: Server) -> None:
    reply = await shared.ask("[words=1 pause=0 tool=wait seconds=0.01]")
    calls = [event for event in reply.events if event["type"].startswith("TOOL_CALL")]
    assert [call["type"] for call in calls] == [
        "TOOL_CALL_START",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "TOOL_CALL_RESULT",
    ]
    assert len({call["toolCallId"] for call in calls}) == 1
    assert calls[0]["toolCallName"] == "wait"
    assert calls[1]["delta"] == '{"seconds": 0.01}'
    assert calls[3]["content"] == "Waited 0.01 seconds."
    assert reply.types[-1] == "RUN_FINISHED"


async def test_reasoning_comes_apart_from_the_answer(shared: Server) -> None:
    reply = await shared.ask("[words=2 pause=0 think=3]")
    assert reply.types == [
        "RUN_STARTED",
        "REASONING_START",
        "REASONING_MESSAGE_START",
        *["REASONING_MESSAGE_CONTENT"] * 3,
        "REASONING_MESSAGE_END",
        "REASONING_END",
        "TEXT_MESSAGE_START",
        *["TEXT_MESSAGE_CONTENT"] * 2,
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
    ]
    assert len(reply.text.split()) == 2


async def test_run_finished_tells_the_tokens_of_every_model_call(shared: Server) -> None:
    plain = await shared.ask("Hi [words=4 pause=0]")
    (usage,) = plain.events[-1]["usage"]
    assert usage["outputTokens"] == 4
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    with_tool = await shared.ask("Hi [words=4 pause=0 tool=wait seconds=0]")
    assert with_tool.events[-1]["usage"][0]["outputTokens"] > 4


async def test_an_async_generator_of_strings_is_an_agent(serve: Serve) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        for word in ("you", " said ", run.prompt):
            yield word

    reply = await serve(build).ask("line\nbreak \u2028 and \U0001f426")
    assert reply.text == "you said line\nbreak \u2028 and \U0001f426"
    assert reply.types[-2:] == ["TEXT_MESSAGE_END", "RUN_FINISHED"]


async def test_an_agent_that_says_nothing_has_not_answered(serve: Serve) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        if run is None:
            yield ""

    assert (await serve(build).ask("Hi")).code == "MODEL_OUTPUT_INVALID"


async def test_a_quiet_stream_sends_keep_alive_comments(serve: Serve) -> None:
    reply = await serve(heartbeat_seconds=0.1).ask("[words=2 pause=0 silence=0.75 at=1]")
    comments = [line for line in reply.lines if line.startswith(":")]
    assert set(comments) == {": keep-alive"}
    assert 3 <= len(comments) <= 7
    first, last = (reply.lines.index(line) for line in (comments[0], comments[-1]))
    silent = events_in(reply.lines[first:last])
    assert silent == []


async def test_a_flowing_stream_sends_no_keep_alive(serve: Serve) -> None:
    reply = await serve(heartbeat_seconds=0.5).ask("[words=40 pause=0.02]")
    assert [line for line in reply.lines if line.startswith(":")] == []


async def test_a_long_tool_call_is_bridged_by_keep_alives(serve: Serve) -> None:
    reply = await serve(heartbeat_seconds=0.1).ask("[words=1 pause=0 tool=wait seconds=0.6]")
    start, end = (next(i for i, line in enumerate(reply.lines) if t in line) for t in ("TOOL_CALL_END", "_RESULT"))
    assert reply.lines[start:end].count(": keep-alive") >= 3


async def test_keep_alives_come_between_events_only(serve: Serve) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        for number in range(60):
            await asyncio.sleep(0.011 * (number % 3))
            yield f"{number}-{'x' * 2000} "

    async with serve(build, heartbeat_seconds=0.01).open("Hi") as response:
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert b"\n: keep-alive\n" in raw
    blocks = [block.splitlines() for block in raw.decode().split("\n\n")]
    assert blocks.pop() == []
    for block in blocks:
        while block[0] == ": keep-alive":
            del block[0]
        assert [line.partition(": ")[0] for line in block] == ["id", "data"]


async def test_a_keep_alive_is_no_event_to_other_readers(serve: Serve) -> None:
    """httpx-sse dispatches at every blank line once an id has come, and Rust's ag-ui-client 0.1.0 at every one.

    Their callers read each event's data as JSON, so a comment with a blank line of its own ended the answer.
    """
    async with serve(heartbeat_seconds=0.05).open("[words=3 pause=0 silence=0.4 at=1]") as response:
        sent = [event async for event in EventSource(response).aiter_sse()]
    assert [json.loads(event.data)["type"] for event in sent][-1] == "RUN_FINISHED"
