"""A server that answers one connection after another with bytes that a test wrote down, over a real socket."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
"""Without a length: the answer ends with the connection. A chunked one ends with its last chunk."""

CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
HANG = object()
"""In an answer: say nothing more, and keep the connection open until the client leaves."""

Part = bytes | float | object


def event(type_: str, **fields: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps({"type": type_, **fields}).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def word(text: str, made: float | None = None) -> bytes:
    stamp = {} if made is None else {"timestamp": round(made * 1000)}
    return event("TEXT_MESSAGE_CONTENT", messageId="m", delta=text, **stamp)


def refusal(status: int, message: str = "no", **more: str) -> bytes:
    body = json.dumps({"message": message, **more}).encode()
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


class ScriptedServer:
    """Numbers in an answer are pauses in seconds."""

    def __init__(self, answers: Sequence[Sequence[Part]]) -> None:
        self._answers = list(answers)
        self.requests: list[bytes] = []
        self.asked, self.left = threading.Event(), threading.Event()
        """Set when somebody has asked; when a client has left an answer that hangs."""
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/dev/invocations"
        self._ready.set()
        await self._stopping.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line), 0
        )
        self.requests.append(head + await reader.readexactly(length))
        self.asked.set()
        try:
            for part in self._answers.pop(0) if self._answers else [refusal(500)]:
                if part is HANG:
                    await reader.read()
                    self.left.set()
                elif isinstance(part, bytes):
                    writer.write(part)
                    await writer.drain()
                elif isinstance(part, float):
                    await asyncio.sleep(part)
        except ConnectionError:
            pass
        writer.close()


@contextmanager
def answering(*answers: Sequence[Part]) -> Iterator[ScriptedServer]:
    """A server for as long as the block lasts."""
    server = ScriptedServer(answers)
    server.start()
    try:
        yield server
    finally:
        server.stop()
