"""Sends a request to the next hop, and passes its response on as it arrives."""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import aiohttp
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Send

from local.planes.field_value import is_field_value

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that end at each hop (RFC 9110, section 7.6.1)."""

Headers = list[tuple[str, str]]

T = TypeVar("T")


class StreamCutError(Exception):
    """A response ended early, after its status had been sent; the message says why, for the log."""


class UpstreamError(Exception):
    """The next hop sent no response, or one that cannot be passed on."""


def client_session() -> aiohttp.ClientSession:
    """A session for streaming: without a total timeout, cookies, decompression, or a proxy from the environment."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, connect=5),
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
    )


class Upstream:
    """A response whose headers have arrived; its body follows. It must be closed, or its connection stays open.

    Attributes:
        received: all headers.
        headers: the headers without `HOP_BY_HOP`.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.received: Headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers
        ]
        self.headers: Headers = [pair for pair in self.received if pair[0].lower() not in HOP_BY_HOP]

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes as they arrive.

        Raises:
            StreamCutError: when the next hop breaks the connection.
        """
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, ConnectionError) as error:
            raise StreamCutError(f"the backend broke off: {type(error).__name__}") from error

    @property
    def complete(self) -> bool:
        """Whether the whole body has arrived."""
        return self._response.content.at_eof()

    def close(self) -> None:
        """Close the connection; for an unfinished response the next hop sees its caller hang up."""
        self._response.close()


async def open_upstream(
    session: aiohttp.ClientSession,
    url: str,
    *,
    method: str = "POST",
    headers: Headers,
    body: bytes,
    make: Callable[[aiohttp.ClientResponse], Upstream] = Upstream,
) -> Upstream:
    """Send a request and wait for the headers of its response, of which ``make`` makes the result.

    Raises:
        UpstreamError: when the next hop cannot be reached, breaks the connection first, or does not answer in HTTP.
    """
    sent = [(name, _header_text(value)) for name, value in headers]
    # A file-like body is written in pieces; written at once, megabytes would block the event loop and every stream.
    data = io.BytesIO(body) if body else None
    try:
        response = await session.request(method, url, headers=sent, data=data, allow_redirects=False)
    except TimeoutError as error:
        raise UpstreamError("the next hop did not take the connection in time") from error
    except (aiohttp.ClientError, ConnectionError, ValueError) as error:  # ValueError: a line break in a header
        raise UpstreamError(f"the next hop cannot be reached: {type(error).__name__}") from error
    upstream = make(response)
    if not 200 <= upstream.status < 600 or not all(is_field_value(value) for _, value in response.raw_headers):
        upstream.close()
        raise UpstreamError(f"the next hop's answer cannot be passed on: status {upstream.status}, or a header's bytes")
    return upstream


def _header_text(value: str) -> str:
    """A header's value for aiohttp, which writes UTF-8, so that the bytes are those that Starlette read as Latin-1.

    A value whose bytes are not UTF-8 is sent re-encoded as UTF-8, because aiohttp cannot write other bytes.
    """
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


class PassingResponse(StreamingResponse):
    """Passes an upstream response on as it arrives, and closes it however that ends.

    A cut response ends without its last chunk, which the caller sees as
    ``curl: (18) transfer closed with outstanding read data remaining``.

    Args:
        upstream: the response; it is closed at the end.
        chunks: its body, possibly changed.
        status: to the caller.
        headers: to the caller.
        deadline: on the event loop's clock, when the whole response must have been sent.
        idle_limit: seconds from one chunk sent to the next. Both limits apply to a slow reader as to a slow backend.
    """

    def __init__(
        self,
        upstream: Upstream,
        chunks: AsyncIterator[bytes],
        *,
        status: int,
        headers: Headers,
        deadline: float = math.inf,
        idle_limit: float = math.inf,
    ) -> None:
        super().__init__(chunks, status_code=status)
        self.raw_headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._upstream = upstream
        self._deadline = deadline
        self._idle_limit = idle_limit
        self.cut: StreamCutError | None = None

    async def stream_response(self, send: Send) -> None:
        """Send the head, then every chunk; if cut, return without the last chunk, so that the server disconnects."""
        clock = asyncio.get_running_loop().time
        try:
            with contextlib.closing(self._upstream):
                async with asyncio.timeout_at(self._until(clock())) as limit:
                    await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                    async for chunk in self.body_iterator:
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                        limit.reschedule(self._until(clock()))
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except StreamCutError as cut:
            self.cut = cut
        except TimeoutError:
            which = "integration" if limit.when() == self._deadline else "idle"
            self.cut = StreamCutError(f"the {which} timeout was reached")

    def close(self) -> None:
        """Close a response that is not sent."""
        self._upstream.close()

    def _until(self, now: float) -> float | None:
        """When the next chunk must have been sent; None without a limit."""
        until = min(self._deadline, now + self._idle_limit)
        return until if until < math.inf else None


async def unless_disconnected(receive: Receive, work: Awaitable[T]) -> T:
    """The result of the work, which is cancelled when the caller hangs up first.

    Raises:
        ClientDisconnect: when the caller hangs up.
    """

    async def hang_up() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(hang_up())
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, gone):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        if not working.done():
            await asyncio.wait((working,))


async def read_body(request: Request, limit: int, too_large: Exception) -> bytes:
    """The whole body of a request.

    If the connection is closed while the caller is still sending, the caller may not read the error response; so a body
    that is too large is read on, up to twice the limit, and discarded before it is refused.

    Raises:
        Exception: ``too_large``, when there are more than ``limit`` bytes.
        ClientDisconnect: when the caller hangs up first.
    """
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > 2 * limit:
            break
        if size <= limit:
            body += chunk
    if size > limit:
        raise too_large
    return bytes(body)
