"""Reads a request's body before the SDK does.

The SDK answers bad JSON with a status code, which AgentCore would replace by an opaque 424, and reads a
body of any size. Here the size is bounded and what is not JSON is refused like any other bad input; but first of all
the origin is checked, so that who goes around the API learns nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors import RefusalError
from agent.request import ORIGIN_HEADER, check_origin, parse_body, too_large
from agent.settings import Settings

__all__ = ["BodyCheck"]


class BodyCheck:
    """ASGI middleware for POST /invocations; `refuse` makes the response that says why."""

    def __init__(self, app: ASGIApp, settings: Settings, refuse: Callable[[RefusalError, Headers], ASGIApp]) -> None:
        self._app = app
        self._settings = settings
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body already read, or refuse it."""
        if scope["type"] != "http" or scope["path"] != "/invocations" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            check_origin(headers.get(ORIGIN_HEADER, ""), self._settings)
            body = await self._read(receive)
            if body is None:
                return  # the caller hung up while sending
            parse_body(body)
        except RefusalError as error:
            await self._refuse(error, headers)(scope, receive, send)
            return
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        limit = self._settings.max_body_bytes
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise too_large(limit)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)
