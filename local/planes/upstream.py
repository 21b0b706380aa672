"""A request to the next hop, and its answer as it arrives."""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import aiohttp
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Send

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

_NOT_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class StreamCutError(Exception):
    """A limit ended an answer whose status had already gone out; the text names the limit, for the log."""


class UpstreamError(Exception):
    """The next hop gave no answer, or one that cannot be passed on."""


def client_session() -> aiohttp.ClientSession:
    """A session for streaming: no time limits of its own, no cookies, bodies as they come, no proxy from outside."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, connect=5),
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
    )


class Upstream:
    """An answer whose headers have arrived and whose body is still to come. Close it, or its connection stays.

    Attributes:
        received: all headers.
        headers: those that do not end at this hop.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.received: Headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers
        ]
        self.headers: Headers = [pair for pair in self.received if pair[0].lower() not in HOP_BY_HOP]

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes as they come.

        Raises:
            StreamCutError: when the next hop breaks off.
        """
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, ConnectionError) as error:
            raise StreamCutError(f"the backend broke off: {type(error).__name__}") from error

    @property
    def over(self) -> bool:
        """Whether the whole body has come."""
        return self._response.content.at_eof()

    def close(self) -> None:
        """Close the connection: an unfinished answer is abandoned, and the next hop sees its caller go."""
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
    """Send a request and wait until all headers of its answer have come; ``make`` makes the answer.

    Raises:
        UpstreamError: when the next hop cannot be reached, breaks off before that, or answers what is not HTTP.
    """
    sent = [(name, _as_it_came(value)) for name, value in headers]
    # In pieces: written at once, a body of megabytes would hold up every other stream.
    data = io.BytesIO(body) if body else None
    try:
        response = await session.request(method, url, headers=sent, data=data, allow_redirects=False)
    except TimeoutError as error:
        raise UpstreamError("the next hop did not take the connection in time") from error
    except (aiohttp.ClientError, ConnectionError, ValueError) as error:  # ValueError: a line break in a header
        raise UpstreamError(f"the next hop cannot be reached: {type(error).__name__}") from error
    upstream = make(response)
    if not 200 <= upstream.status < 600 or any(_NOT_A_VALUE.search(value) for _, value in upstream.received):
        upstream.close()
        raise UpstreamError(f"the next hop's answer cannot be passed on: status {upstream.status}, or a header's bytes")
    return upstream


def _as_it_came(value: str) -> str:
    """A header's value such that aiohttp, which writes UTF-8, writes the bytes that Starlette read as Latin-1.

    Bytes that are not UTF-8 arrive as UTF-8 all the same: aiohttp can write no others.
    """
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


class PassingResponse(StreamingResponse):
    """Passes an upstream answer on as it comes, and lets go of it however that ends.

    A cut is seen by the caller as HTTP has it: the body ends without its last chunk, as
    ``curl: (18) transfer closed with outstanding read data remaining``.

    Args:
        upstream: the answer; it is closed in the end.
        chunks: its body, or what was made of it.
        status: to the caller.
        headers: to the caller.
        deadline: on the event loop's clock, when the caller must have all of it.
        idle_limit: seconds from one chunk sent to the next. Both limits hold over a slow reader as over a slow backend.
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
        """Send the head, then every chunk; on a cut return without the last one, and the server closes."""
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

    def let_go(self) -> None:
        """Close an answer that is never sent."""
        self._upstream.close()

    def _until(self, now: float) -> float | None:
        """When the next chunk must have gone out; None for whenever."""
        until = min(self._deadline, now + self._idle_limit)
        return until if until < math.inf else None


async def unless_gone(receive: Receive, work: Awaitable[T]) -> T:
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

    A caller who is cut off while sending may lose the answer with the connection, so of a body that is too large as
    much again is read, and not kept, before it is refused.

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
