"""Reads a request's body before the SDK does.

The SDK answers bad JSON with a status code, which AgentCore would replace by an opaque 424, and reads a
body of any size. Here the size is bounded and what is not JSON is refused like any other bad input.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors import RefusalError
from agent.request import parse_body, too_large

__all__ = ["BodyCheck"]


class BodyCheck:
    """ASGI middleware for POST /invocations; `refuse` makes the response that says why."""

    def __init__(self, app: ASGIApp, max_bytes: int, refuse: Callable[[RefusalError], ASGIApp]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body already read, or refuse it."""
        if scope["type"] != "http" or scope["path"] != "/invocations" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(receive)
            if body is None:
                return  # the caller hung up while sending
            parse_body(body)
        except RefusalError as error:
            await self._refuse(error)(scope, receive, send)
            return
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > self._max_bytes:
                raise too_large(self._max_bytes)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)
