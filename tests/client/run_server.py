"""An agent's wire behind one loopback socket: a run whose events are numbered and kept, and connections that are cut.

It answers a question, `attach`, `stop` and `history` as docs/agent.md has them, and only as far as the client asks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.client.scripted_server import STREAM, ScriptedServer

HEARTBEAT = b": keep-alive\n"


def events_of_a_run(run_id: str = "r", thread_id: str = "t") -> list[dict[str, Any]]:
    """Reasoning, text, a tool call, and text again."""
    ids = {"threadId": thread_id, "runId": run_id}
    return [
        {"type": "RUN_STARTED", **ids},
        {"type": "REASONING_MESSAGE_START", "messageId": "think"},
        {"type": "REASONING_MESSAGE_CONTENT", "messageId": "think", "delta": "hm: ünd\n"},
        {"type": "REASONING_MESSAGE_END", "messageId": "think"},
        {"type": "TEXT_MESSAGE_START", "messageId": "a", "role": "assistant"},
        *({"type": "TEXT_MESSAGE_CONTENT", "messageId": "a", "delta": f"word{number} 🙂 "} for number in range(6)),
        {"type": "TEXT_MESSAGE_END", "messageId": "a"},
        {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "lookup"},
        {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": '{"city":"Rome"}'},
        {"type": "TOOL_CALL_END", "toolCallId": "c"},
        {"type": "TOOL_CALL_RESULT", "toolCallId": "c", "messageId": "m", "content": "sunny"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "a", "delta": "done."},
        {"type": "RUN_FINISHED", **ids},
    ]


def wire(events: Sequence[dict[str, Any]], run_id: str, after: int = 0, *, beat_after: int = 7) -> bytes:
    """The events above a number as they are sent, with a heartbeat among them."""
    sent = b""
    for number, event in enumerate(events, 1):
        if number > after:
            sent += f"id: {run_id}:{number}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
            sent += HEARTBEAT if number == beat_after else b""
    return sent


def refused(code: str) -> bytes:
    return b"data: " + json.dumps({"type": "RUN_ERROR", "code": code, "message": "no"}).encode() + b"\n\n"


class RunServer(ScriptedServer):
    """Each connection of a reader is cut after so many bytes of its body; None leaves it whole."""

    def __init__(self, cuts: Sequence[int | None]) -> None:
        super().__init__([])
        self._cuts = list(cuts)
        self.never_ends = False
        self._runs: dict[str, bytes] = {}
        self.asked_for: list[dict[str, Any]] = []

    @property
    def questions(self) -> list[dict[str, Any]]:
        return [body for body in self.asked_for if "messages" in body]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
        body = json.loads(await reader.readexactly(length))
        self.asked_for.append(body)
        self.asked.set()
        try:
            if "stop" in body:
                text = b'{"stopped": true}'
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n" + text)
            else:
                await self._stream(body, writer)
            await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    async def _stream(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        if "history" in body:
            writer.write(self._history(body["threadId"]))
            return
        attach = body.get("attach", {})
        run_id = body.get("runId") or attach.get("runId") or next(iter(self._runs), "")
        self._runs.setdefault(run_id, b"") if "messages" in body else None
        if run_id not in self._runs:
            writer.write(refused("RUN_UNKNOWN"))
            return
        sent = wire(events_of_a_run(run_id, body["threadId"]), run_id, attach.get("after", 0))
        cut = self._cuts.pop(0) if self._cuts else None
        if self.never_ends:
            writer.write(sent[: sent.rindex(b"id: ")])
            await writer.drain()
            await self._stopping.wait()
        writer.write(sent if cut is None else sent[:cut])

    def _history(self, thread_id: str) -> bytes:
        ids = {"threadId": thread_id, "runId": "h"}
        messages = [
            {"id": "1", "role": "user", "content": "What did I ask?"},
            {"id": "2", "role": "assistant", "content": "You asked **this**."},
        ]
        events = [
            {"type": "RUN_STARTED", **ids},
            {"type": "MESSAGES_SNAPSHOT", "messages": messages if thread_id.startswith("known") else []},
            {"type": "RUN_FINISHED", **ids},
        ]
        return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


@contextmanager
def serving(*cuts: int | None) -> Iterator[RunServer]:
    """A server for as long as the block lasts."""
    server = RunServer(cuts)
    server.start()
    try:
        yield server
    finally:
        server.stop()
