"""With AGENT_MEMORY_ID the history outlives the process, and an agent cannot tell the difference."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest
from strands import Agent

from agent import run as run_module
from local.doubles.fake_model import FakeModel, ToolCall
from tests.agent.support import Serve, new_session, until
from tests.agent.test_strands_page_tools import Conversation, careful

pytestmark = pytest.mark.anyio


@dataclass
class FakeMemory:
    """The data plane of AgentCore Memory, as far as conversations go: CreateEvent and ListEvents."""

    events: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    failing: bool = False
    gate: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def create(self, path: list[str], body: dict[str, Any]) -> dict[str, Any]:
        event = {"memoryId": path[1], "eventId": f"{len(self.events)}#{uuid.uuid4().hex[:8]}", **body}
        self.events.append(event)
        return {"event": event}

    def find(self, path: list[str], body: dict[str, Any]) -> dict[str, Any]:
        wanted = [(e["memoryId"], e["actorId"], e["sessionId"]) == (path[1], path[3], path[5]) for e in self.events]
        found = [event for event, right in zip(self.events, wanted, strict=True) if right]
        for rule in body.get("filter", {}).get("eventMetadata", []):
            key, value = rule["left"]["metadataKey"], rule["right"]["metadataValue"]
            found = [event for event in found if event.get("metadata", {}).get(key) == value]
        return {"events": list(reversed(found))[: body["maxResults"]]}

    def delete(self, path: list[str]) -> dict[str, Any]:
        place = (path[1], path[3], path[5], unquote(path[7]))
        names = ("memoryId", "actorId", "sessionId", "eventId")
        self.events = [event for event in self.events if tuple(event[name] for name in names) != place]
        return {"eventId": place[-1]}


@pytest.fixture
def memory(aws: pytest.MonkeyPatch) -> Iterator[FakeMemory]:
    fake = FakeMemory()
    fake.gate.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_DELETE(self) -> None:
            self.answer(fake.delete(self.path.strip("/").split("/")))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            path = self.path.strip("/").split("/")
            fake.requests += 1
            fake.gate.wait(10)
            self.answer(fake.create(path, body) if path[-1] == "events" else fake.find(path, body))

        def answer(self, answer: dict[str, Any]) -> None:
            text = json.dumps(answer).encode()
            self.send_response(500 if fake.failing else 200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    aws.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", fake.url)
    aws.setenv("AWS_MAX_ATTEMPTS", "1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


SETTINGS: dict[str, Any] = {"memory_id": "memory-0123456789", "region": "eu-west-1"}


async def echo(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    """Answer with everything that was said before."""
    yield " | ".join([message["content"][0]["text"] for message in history] + [run.prompt])


async def test_a_conversation_goes_on_in_another_process(serve: Serve, memory: FakeMemory) -> None:
    session = new_session()
    assert (await serve(echo, **SETTINGS).ask("one", session=session)).text == "one"
    another = serve(echo, **SETTINGS)
    assert (await another.ask("two", session=session)).text == "one | one | two"
    assert {event["sessionId"] for event in memory.events} == {session}
    assert {event["actorId"] for event in memory.events} == {"alice"}


async def test_another_user_sees_nothing_of_it_even_in_a_new_process(serve: Serve, memory: FakeMemory) -> None:
    session = new_session()
    await serve(echo, **SETTINGS).ask("mine", session=session, user="alice")
    assert (await serve(echo, **SETTINGS).ask("Hi", session=session, user="mallory")).text == "Hi"


async def test_threads_of_a_session_are_apart(serve: Serve, memory: FakeMemory) -> None:
    server, session = serve(echo, **SETTINGS), new_session()

    def in_thread(thread: str, prompt: str) -> dict[str, Any]:
        return {
            "threadId": thread,
            "runId": str(uuid.uuid4()),
            "messages": [{"id": str(uuid.uuid4()), "role": "user", "content": prompt}],
        }

    await server.ask(in_thread("a/1", "one"), session=session)
    assert (await server.ask(in_thread("a/2", "two"), session=session)).text == "two"
    assert (await server.ask(in_thread("a/1", "three"), session=session)).text == "one | one | three"


async def test_an_abandoned_turn_is_stored_with_what_it_has_said(serve: Serve, memory: FakeMemory) -> None:
    server, session = serve(**SETTINGS), new_session()
    async with server.open("[words=2 pause=0 silence=3600 at=1]", session=session) as response:
        lines = response.aiter_lines()
        await until(lines, "CONTENT")
    assert server.log()["outcome"] == "abandoned"
    (event,) = memory.events
    stored_turn = json.loads(event["payload"][0]["blob"])
    assert stored_turn["outcome"] == "abandoned"
    assert [message["content"] for message in stored_turn["messages"]] == [
        "[words=2 pause=0 silence=3600 at=1]",
        "This",
    ]


@pytest.mark.parametrize("limit", [5, 6, 7])
async def test_only_as_much_is_loaded_as_the_settings_allow_and_never_half_a_turn(
    serve: Serve, memory: FakeMemory, limit: int
) -> None:
    seen: list[Any] = []

    def build(run: Any, model: Any, history: Any) -> Agent:
        seen.append(list(history))
        return Agent(model=model, messages=history, callback_handler=None)

    server, session = serve(build, max_messages=limit, **SETTINGS), new_session()
    for _ in range(3):
        await server.ask("[words=1 pause=0 tool=wait seconds=0]", session=session)
    kinds = [next(iter(message["content"][0])) for message in seen[-1]]
    assert kinds == ["text", "toolUse", "toolResult", "text"]
    assert seen[-1][0]["role"] == "user"


async def test_a_turn_that_cannot_be_stored_does_not_spoil_the_answer(
    serve: Serve, memory: FakeMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        memory.failing = True
        yield "word"

    server = serve(build, **SETTINGS)
    monkeypatch.setattr(run_module, "log_line", server.logs.put)
    reply = await server.ask("Hi")
    assert (reply.text, reply.code) == ("word", None)
    assert server.log("turn not saved")["level"] == "ERROR"


async def test_a_memory_that_cannot_be_reached_is_not_called_a_failing_model(serve: Serve, memory: FakeMemory) -> None:
    memory.failing = True
    assert (await serve(echo, **SETTINGS).ask("Hi")).code == "INTERNAL"


async def test_a_slow_memory_holds_up_no_other_stream(serve: Serve, memory: FakeMemory) -> None:
    memory.gate.clear()
    server = serve(echo, heartbeat_seconds=0.05, **SETTINGS)
    async with server.open("Hi") as response:
        lines = response.aiter_lines()
        await until(lines, ": keep-alive")
        memory.gate.set()
        before = time.monotonic()
        await until(lines, "RUN_FINISHED")
    assert time.monotonic() - before < 10


async def test_a_turn_is_one_event_so_it_is_there_whole_or_not_at_all(serve: Serve, memory: FakeMemory) -> None:
    server, session = serve(**SETTINGS), new_session()
    for turns in (1, 2):
        await server.ask("[words=1 pause=0 tool=wait seconds=0]", session=session)
        assert [len(event["payload"]) for event in memory.events] == [1] * turns
        assert memory.requests == 2 * turns  # one to load, one to save


def stored(session: str, *messages: Any) -> list[dict[str, Any]]:
    """Events as the SDK's session manager writes them, one for each message."""
    place = {"memoryId": SETTINGS["memory_id"], "actorId": "alice", "sessionId": session}
    texts = [(json.dumps({"message": message, "message_id": 0}), message["role"].upper()) for message in messages]
    return [
        {**place, "eventId": str(number), "payload": [{"conversational": {"content": {"text": text}, "role": role}}]}
        for number, (text, role) in enumerate(texts)
    ]


async def test_a_turn_that_was_stored_in_part_is_not_loaded(serve: Serve, memory: FakeMemory) -> None:
    def say(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "content": [{"text": text}]}

    call = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "t", "input": {}}}]}
    session = new_session()
    memory.events += stored(
        session,
        *(say("assistant", "an answer whose question is gone"), say("user", "one"), say("assistant", "answer")),
        *(say("user", "two"), say("user", "three"), call, say("user", "four"), say("assistant", "last")),
    )
    assert (await serve(echo, **SETTINGS).ask("five", session=session)).text == "one | answer | four | last | five"


async def test_a_conversation_that_an_earlier_release_stored_goes_on(serve: Serve, memory: FakeMemory) -> None:
    session = new_session()
    said = [("user", "one"), ("assistant", "first")]
    # One event a turn, in a memory session that was named by session and thread.
    texts = [
        (json.dumps({"message": {"role": role, "content": [{"text": text}]}, "message_id": 0}), role.upper())
        for role, text in said
    ]
    memory.events.append(
        {
            "memoryId": SETTINGS["memory_id"],
            "actorId": "alice",
            "sessionId": hashlib.sha256(f"{session}/thread".encode()).hexdigest(),
            "eventId": "1",
            "payload": [{"conversational": {"content": {"text": text}, "role": role}} for text, role in texts],
        }
    )
    server = serve(echo, **SETTINGS)
    body: dict[str, Any]
    for prompt, heard in [("two", "one | first | two"), ("three", "one | first | two | one | first | two | three")]:
        body = {"prompt": prompt, "threadId": "thread"}
        assert (await server.ask(body, session=session)).text == heard
    # From now on it is the thread's own, whatever the session.
    asked: dict[str, Any] = {"threadId": "thread", "history": {}}
    told = await serve(echo, **SETTINGS).ask(asked, session=new_session())
    snapshot = next(event["messages"] for event in told.events if event["type"] == "MESSAGES_SNAPSHOT")
    assert [message["content"] for message in snapshot][:3] == ["one", "first", "two"]


async def test_an_edit_is_deleted_only_after_the_new_turn_is_there(serve: Serve, memory: FakeMemory) -> None:
    def question(message_id: str, text: str) -> dict[str, Any]:
        said = [{"id": message_id, "role": "user", "content": text}]
        return {"threadId": "thread", "runId": str(uuid.uuid4()), "messages": said}

    server, session = serve(echo, **SETTINGS), new_session()
    await server.ask(question("u1", "one"), session=session)
    await server.ask(question("u2", "two"), session=session)
    assert (await server.ask(question("u2", "zwei"), session=session)).text == "one | one | zwei"
    turns = [json.loads(event["payload"][0]["blob"]) for event in memory.events]
    assert [turn["messages"][0]["content"] for turn in turns] == ["one", "zwei"]
    memory.failing = True
    await server.ask(question("u1", "uno"), session=session)
    memory.failing = False
    assert len(memory.events) == 2


async def test_a_run_that_was_answered_in_another_microvm_is_not_run_twice(serve: Serve, memory: FakeMemory) -> None:
    body = {"threadId": "t", "runId": "r", "messages": [{"id": "u", "role": "user", "content": "one"}]}
    session = new_session()
    await serve(echo, **SETTINGS).ask(body, session=session)
    server = serve(echo, **SETTINGS)
    again = await server.ask(body, session=session)
    assert again.types == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    assert [message["content"] for message in again.events[1]["messages"]] == ["one", "one"]
    assert len(memory.events) == 1
    other = {**body, "messages": [{"id": "u", "role": "user", "content": "two"}]}
    assert (await serve(echo, **SETTINGS).ask(other, session=session)).code == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("answer", "told"),
    [({"status": "resolved", "payload": {"approved": True}}, "Sent to Eve."), ({"status": "cancelled"}, "refused")],
    ids=["approved", "cancelled"],
)
async def test_an_interrupt_is_answered_in_another_microvm(
    serve: Serve, memory: FakeMemory, answer: dict[str, Any], told: str
) -> None:
    model = FakeModel(ToolCall("send", {"to": "Eve"}, id="s1"), "All done.")
    page = Conversation(serve(careful(model), session_from="header", **SETTINGS), [])
    (interrupt,) = (await page.ask("Write to Eve.")).events[-1]["outcome"]["interrupts"]
    page.server = serve(careful(model), session_from="header", **SETTINGS)
    told_again = await page.server.ask({"threadId": page.session, "history": {}}, session=page.session)
    assert told_again.events[-1]["outcome"]["interrupts"] == [interrupt]
    page.messages = []
    reply = await page.send(resume=[{"interruptId": interrupt["id"], **answer}])
    assert (reply.text, reply.code) == ("All done.", None)
    assert told in model.requests[1].results["send"]
