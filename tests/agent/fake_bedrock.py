"""A Bedrock runtime endpoint on loopback that speaks ConverseStream's event-stream encoding over real sockets.

What it says is a function of the connection, so that a test decides when to speak, fall silent or fail; it
records when the other side closes.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.agent.support import DEADLINE

Answer = Callable[["Connection"], None]


@dataclass
class Connection:
    """One connection of the client: its requests so far, and what can be said to it."""

    socket: socket.socket
    requests: list[dict[str, Any]] = field(default_factory=list)
    spoke: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    closed_at: float = 0.0

    def start(self) -> None:
        self._send(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n")
        self._send(b"Transfer-Encoding: chunked\r\n\r\n")
        self.event("messageStart", {"role": "assistant"})

    def say(self, text: str) -> None:
        self.event("contentBlockDelta", {"delta": {"text": text}, "contentBlockIndex": 0})
        self.spoke.set()

    def think(self, text: str) -> None:
        self.event("contentBlockDelta", {"delta": {"reasoningContent": {"text": text}}, "contentBlockIndex": 0})

    def call(self, tool: str, *pieces: str, call_id: str = "call-1") -> None:
        """Open a tool call and send `pieces` of its arguments, without closing it."""
        start = {"toolUse": {"toolUseId": call_id, "name": tool}}
        self.event("contentBlockStart", {"start": start, "contentBlockIndex": 1})
        for piece in pieces:
            self.event("contentBlockDelta", {"delta": {"toolUse": {"input": piece}}, "contentBlockIndex": 1})

    def end_block(self) -> None:
        self.event("contentBlockStop", {"contentBlockIndex": 0})

    def cut(self) -> None:
        """End the body cleanly, without a stop reason, as a proxy does that lost its upstream."""
        self._send(b"0\r\n\r\n")

    def finish(self, stop_reason: str = "end_turn") -> None:
        self.end_block()
        self.stop(stop_reason)

    def stop(self, stop_reason: str) -> None:
        """End the message and the body."""
        self.event("messageStop", {"stopReason": stop_reason})
        usage = {"inputTokens": 3, "outputTokens": 5, "totalTokens": 8, "cacheReadInputTokens": 2}
        self.event("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})
        self.cut()

    def event(self, kind: str, payload: dict[str, Any], message_type: str = "event") -> None:
        name = ":event-type" if message_type == "event" else ":exception-type"
        headers = {name: kind, ":content-type": "application/json", ":message-type": message_type}
        frame = event_stream_message(headers, json.dumps(payload).encode())
        self._send(b"%x\r\n%b\r\n" % (len(frame), frame))

    def refuse(self, status: int, kind: str, message: str) -> None:
        body = json.dumps({"message": message}).encode()
        head = f"HTTP/1.1 {status} No\r\nx-amzn-ErrorType: {kind}\r\nContent-Type: application/json\r\n"
        self._send(head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def wait_until_closed(self) -> None:
        """Read until the client closes its side, and record when."""
        with suppress(OSError):
            while self.socket.recv(4096):
                pass
        self.closed_at = time.monotonic()
        self.closed.set()

    def _send(self, data: bytes) -> None:
        self.socket.sendall(data)


def event_stream_message(headers: dict[str, str], payload: bytes) -> bytes:
    """Encode one message: https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html."""
    block = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", len(block) + len(payload) + 16, len(block))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + block + payload
    return message + struct.pack("!I", zlib.crc32(message))


@dataclass
class FakeBedrock:
    """The endpoint: every connection that was made to it."""

    url: str
    connections: list[Connection] = field(default_factory=list)
    connected: threading.Condition = field(default_factory=threading.Condition)

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [request for connection in self.connections for request in connection.requests]

    def connection(self) -> Connection:
        """Return the first connection on which something was asked, waiting for it."""
        with self.connected:
            assert self.connected.wait_for(lambda: self.requests, DEADLINE)
        return next(connection for connection in self.connections if connection.requests)


@contextmanager
def fake_bedrock(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[FakeBedrock]:
    """Serve `answer` to every request, any number of requests a connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    scheme = "https" if tls else "http"
    bedrock = FakeBedrock(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}")

    def accept() -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                threading.Thread(target=talk, args=(plain,), daemon=True).start()

    def talk(plain: socket.socket) -> None:
        with suppress(OSError):
            connection = Connection(tls.wrap_socket(plain, server_side=True) if tls else plain)
            bedrock.connections.append(connection)
            with connection.socket, connection.socket.makefile("rb") as reader:
                while request := read_request(reader):
                    with bedrock.connected:
                        connection.requests.append(request)
                        bedrock.connected.notify_all()
                    answer(connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield bedrock
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in bedrock.connections:
            with suppress(OSError):
                socket.socket.shutdown(connection.socket, socket.SHUT_RDWR)


def read_request(reader: Any) -> dict[str, Any] | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            return None
        head += line
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return {"path": head.split(b" ")[1].decode(), "body": json.loads(reader.read(length))}
