"""A request to the next hop, and its answer as it arrives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

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


class StreamCutError(Exception):
    """A limit ended an answer whose status had already gone out; the text names the limit, for the log."""


class UpstreamError(Exception):
    """The next hop gave no answer; ``timed_out`` tells waiting too long from not being reached."""

    def __init__(self, reason: str, *, timed_out: bool) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


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
    """An answer whose headers have arrived and whose body is still to come. Close it, or its connection stays."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in response.raw_headers
            if name.decode("latin-1").lower() not in HOP_BY_HOP
        ]

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

    def close(self) -> None:
        """Close the connection: an unfinished answer is abandoned, and the next hop sees its caller go."""
        self._response.close()


async def open_upstream(
    session: aiohttp.ClientSession,
    url: str,
    *,
    method: str = "POST",
    headers: Iterable[tuple[str, str]] | Mapping[str, str],
    body: bytes,
) -> Upstream:
    """Send a request and wait until all headers of its answer have come.

    Raises:
        UpstreamError: when the next hop cannot be reached or breaks off before that.
    """
    try:
        response = await session.request(method, url, headers=headers, data=body or None, allow_redirects=False)
    except TimeoutError as error:
        raise UpstreamError("the next hop did not take the connection in time", timed_out=True) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise UpstreamError(f"the next hop cannot be reached: {type(error).__name__}", timed_out=False) from error
    return Upstream(response)


class PassingResponse(StreamingResponse):
    """Passes an upstream answer on as it comes, and lets go of it however that ends.

    A cut is seen by the caller as HTTP has it: the body ends without its last chunk, as
    ``curl: (18) transfer closed with outstanding read data remaining``.
    """

    def __init__(self, upstream: Upstream, chunks: AsyncIterator[bytes], *, status: int, headers: Headers) -> None:
        super().__init__(chunks, status_code=status)
        self.raw_headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._upstream = upstream
        self.cut: StreamCutError | None = None

    async def stream_response(self, send: Send) -> None:
        """Send the head, then every chunk; on a cut return without the last one, and the server closes."""
        with contextlib.closing(self._upstream):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            try:
                async for chunk in self.body_iterator:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except StreamCutError as cut:
                self.cut = cut
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
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

    Raises:
        Exception: ``too_large``, as soon as there are more than ``limit`` bytes.
        ClientDisconnect: when the caller hangs up first.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)
