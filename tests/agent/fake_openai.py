"""A server on loopback that speaks OpenAI's chat completions, or any other answer to a POST, as a test lists it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Lines = list[bytes]


@contextmanager
def answering(*answers: Lines, status: int = 200, kind: str = "text/event-stream") -> Iterator[tuple[str, list[Any]]]:
    """Serve each of `answers` in turn, and give the address and the list of what was asked."""
    asked: list[Any] = []
    turns = iter(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append({"path": self.path, "key": self.headers["Authorization"], "body": json.loads(body)})
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            for line in next(turns):
                self.wfile.write(line)

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def chunk(finish: str | None = None, usage: dict[str, int] | None = None, **delta: Any) -> bytes:
    """One server-sent event of a chat completion."""
    choices = [] if usage else [{"index": 0, "delta": delta, "finish_reason": finish}]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: %b\n\n" % json.dumps({**head, "choices": choices, "usage": usage}).encode()


def call(index: int, name: str | None, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": f"call-{index}", "type": "function", "function": function}]}


DONE = b"data: [DONE]\n\n"
USAGE = chunk(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
