"""A real agent server on loopback, and a client that reads its stream event by event."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from queue import Queue
from typing import Any

import httpx
import jwt
import pytest
import uvicorn
from strands import Agent

from agent.server import configuration
from agent.settings import Settings
from tests import loopback

SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
ORIGIN = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Origin-Verify"
DEADLINE = 20.0  # seconds; far beyond what anything here takes, so that only a hang reaches it


def token(subject: str = "alice") -> str:
    """Return an ID token as AgentCore forwards it: its signature is not the agent's business."""
    return jwt.encode({"sub": subject}, "x" * 32, algorithm="HS256")


def new_session() -> str:
    return str(uuid.uuid4())


@dataclass
class Reply:
    """A whole answer: its raw lines, its events, and the response it came in."""

    response: httpx.Response
    lines: list[str]
    events: list[dict[str, Any]]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def text(self) -> str:
        return "".join(event["delta"] for event in self.events if event["type"] == "TEXT_MESSAGE_CONTENT")

    @property
    def code(self) -> str | None:
        """The code of the RUN_ERROR, which must be the last event if there is one."""
        assert "RUN_ERROR" not in self.types[:-1]
        return self.events[-1]["code"] if self.types[-1] == "RUN_ERROR" else None


@dataclass
class Server:
    """A running agent server."""

    url: str
    logs: Queue[dict[str, Any]] = field(default_factory=Queue)

    def log(self, message: str = "run") -> dict[str, Any]:
        """Return the next log line with this message, waiting for it."""
        while True:
            line = self.logs.get(timeout=DEADLINE)
            if line["message"] == message or line["message"].startswith(message):
                return line

    @asynccontextmanager
    async def open(
        self,
        body: Any,
        *,
        user: str | None = "alice",
        session: str | None = None,
        headers: dict[str, Any] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Send a request and give the response while it streams; leaving hangs up."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if user is not None:
            sent["Authorization"] = f"Bearer {token(user)}"
        if session is not None:
            sent[SESSION] = session
        content = body if isinstance(body, bytes) else json.dumps({"prompt": body} if isinstance(body, str) else body)
        async with (
            loopback.AsyncClient(timeout=DEADLINE) as client,
            client.stream("POST", f"{self.url}/invocations", content=content, headers=sent) as response,
        ):
            yield response

    async def ask(self, body: Any, **options: Any) -> Reply:
        """Send a request and read the answer to its end."""
        async with self.open(body, **options) as response:
            lines = [line async for line in response.aiter_lines()]
        return Reply(response, lines, events_in(lines))


def events_in(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


async def until(lines: AsyncIterator[str], text: str) -> list[str]:
    """Read `lines` up to the first one that holds `text`; return all that were read."""
    seen = []
    async for line in lines:
        seen.append(line)
        if text in line:
            return seen
    pytest.fail(f"the stream ended without {text!r}: {seen}")


Serve = Callable[..., Server]


class ThreadServer(uvicorn.Server):
    """uvicorn as the agent configures it, which tells when it listens and looks ten times as often whether to leave."""

    def __init__(self, app: Any) -> None:
        super().__init__(configuration(app, Settings(model="scripted")))
        self.listens = threading.Event()

    async def main_loop(self) -> None:
        self.listens.set()
        while not await self.on_tick(0):  # noqa: ASYNC110 - uvicorn's own way; another thread sets its flag
            await asyncio.sleep(0.01)


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port of loopback, in a thread, and give its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = ThreadServer(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert server.listens.wait(DEADLINE)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        assert not thread.is_alive()


def having(*tools: Any) -> Callable[..., Agent]:
    """Return a `build_agent` whose agent has these tools."""

    def build(run: Any, model: Any, history: Any) -> Agent:
        return Agent(model=model, messages=history, tools=list(tools), callback_handler=None)

    return build


def question(prompt: str = "Hi", **more: Any) -> dict[str, Any]:
    said = [{"id": str(uuid.uuid4()), "role": "user", "content": prompt}]
    return {"threadId": "t", "runId": str(uuid.uuid4()), "messages": said, **more}


def stock(verb: str, asked: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"threadId": "t", "runId": str(uuid.uuid4()), "messages": [], "forwardedProps": {verb: asked or {}}}


def attach(run_id: str | None = None, after: int | None = None) -> dict[str, Any]:
    asked = {"runId": run_id, "after": after}
    return {"threadId": "t", "attach": {name: value for name, value in asked.items() if value is not None}}


def client_of(events: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Any]:  # noqa: C901 - one branch an event
    """Return the messages and the state that a client has after these events, by the rules that clients follow."""
    messages: list[dict[str, Any]] = []
    calls: dict[str, dict[str, Any]] = {}
    state: Any = None
    for event in events:
        kind = event["type"]
        if kind == "MESSAGES_SNAPSHOT":
            messages = [dict(message) for message in event["messages"]]
            calls = {call["id"]: call for message in messages for call in message.get("toolCalls", ())}
        elif kind in {"TEXT_MESSAGE_START", "REASONING_MESSAGE_START"}:
            role = event["role"]
            messages.append({"id": event["messageId"], "role": role, "content": ""})
        elif kind in {"TEXT_MESSAGE_CONTENT", "REASONING_MESSAGE_CONTENT"}:
            next(one for one in messages if one["id"] == event["messageId"])["content"] += event["delta"]
        elif kind == "TOOL_CALL_START":
            call = {"id": event["toolCallId"], "type": "function"}
            call["function"] = {"name": event["toolCallName"], "arguments": ""}
            calls[event["toolCallId"]] = call
            parent = next((one for one in messages if one["id"] == event.get("parentMessageId")), None)
            if parent is None:
                parent = {"id": event.get("parentMessageId") or event["toolCallId"], "role": "assistant"}
                messages.append(parent)
            parent.setdefault("toolCalls", []).append(call)
        elif kind == "TOOL_CALL_ARGS":
            calls[event["toolCallId"]]["function"]["arguments"] += event["delta"]
        elif kind == "TOOL_CALL_RESULT":
            messages.append(
                {
                    "id": event["messageId"],
                    "role": "tool",
                    "toolCallId": event["toolCallId"],
                    "content": event["content"],
                }
            )
        elif kind == "STATE_SNAPSHOT":
            state = event["snapshot"]
        elif kind == "STATE_DELTA":
            state = {**state, event["delta"][0]["path"][1:]: event["delta"][0]["value"]}
    return messages, state
