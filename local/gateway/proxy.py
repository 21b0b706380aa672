"""The HTTP_PROXY integration: the backend's answer, whole (BUFFERED) or as it comes (STREAM), within its limits.

Limits: https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

import aiohttp
from starlette.responses import Response

from local.gateway.access_log import Exchange
from local.gateway.api import Integration
from local.gateway.mapping import caller_headers
from local.gateway.responses import GatewayError
from local.network import AddressBook, UnknownHostError
from local.upstream import Headers, PassingResponse, StreamCutError, Upstream, UpstreamError, open_upstream

BUFFERED_LIMIT_BYTES = 10 * 1024 * 1024
FREE_STREAM_BYTES = 10 * 1024 * 1024
STREAM_BYTES_PER_SECOND = 2 * 1024 * 1024


class BackendRequest(NamedTuple):
    """What is sent to the backend."""

    headers: Headers
    query: Mapping[str, str]
    body: bytes


class Proxy:
    """Calls the backend of a method.

    Args:
        session: connections to the backend.
        addresses: where AWS's hosts are on loopback.
        idle_limit: seconds of silence after which a stream is cut.
        time_scale: AWS's time limits are divided by this.
    """

    def __init__(
        self, session: aiohttp.ClientSession, addresses: AddressBook, *, idle_limit: float, time_scale: float
    ) -> None:
        self._session = session
        self._addresses = addresses
        self._idle_limit = idle_limit / time_scale
        self._time_scale = time_scale

    async def call(self, integration: Integration, request: BackendRequest, exchange: Exchange) -> Response:
        """The answer to the caller; the access log's ``integration`` variables are set on the way.

        Raises:
            GatewayError: when the backend does not answer in time or at all.
        """
        streaming = integration.transfer_mode == "STREAM"
        context = exchange.context
        context["integration.responseTransferMode"] = "STREAMED" if streaming else "BUFFERED"
        deadline = time.monotonic() + integration.timeout / self._time_scale
        try:
            # Only up to the backend's headers when streaming: what comes later can no longer change the status.
            async with asyncio.timeout(deadline - time.monotonic()):
                upstream = await self._open(integration, request)
                context["integration.status"] = str(upstream.status)
                context["integration.timeToAllHeaders"] = exchange.elapsed()
                if not streaming:
                    return await _buffered(upstream, exchange)
        except TimeoutError as error:
            context["integration.error"] = "the integration timeout was reached"
            raise GatewayError("INTEGRATION_TIMEOUT") from error
        except (UpstreamError, StreamCutError, UnknownHostError) as error:
            context["integration.error"] = str(error)
            raise GatewayError("INTEGRATION_FAILURE", reason=str(error)) from error
        timed = limited(upstream.chunks(), deadline=deadline, idle_limit=self._idle_limit)
        chunks = paced(_noted(timed, exchange))
        headers = caller_headers(upstream.headers, context)
        return PassingResponse(upstream, chunks, status=upstream.status, headers=headers)

    async def _open(self, integration: Integration, request: BackendRequest) -> Upstream:
        url = self._addresses.locate(integration.uri)
        if request.query:
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(request.query)}"
        return await open_upstream(
            self._session, url, method=integration.http_method, headers=request.headers, body=request.body
        )


async def _buffered(upstream: Upstream, exchange: Exchange) -> Response:
    """Hold the whole answer back until its last byte."""
    body = bytearray()
    with contextlib.closing(upstream):
        async for chunk in _noted(upstream.chunks(), exchange):
            body += chunk
            if len(body) > BUFFERED_LIMIT_BYTES:
                raise GatewayError("INTEGRATION_FAILURE", reason="the backend's answer is larger than 10 MB")
    response = Response(bytes(body), status_code=upstream.status)
    kept = [
        (name, value) for name, value in caller_headers(upstream.headers, exchange.context) if name != "content-length"
    ]
    response.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept]
    response.raw_headers.append((b"content-length", str(len(body)).encode()))
    return response


async def _noted(chunks: AsyncIterator[bytes], exchange: Exchange) -> AsyncIterator[bytes]:
    """The same chunks; when the first came, when the last, and what cut them goes into the access log."""
    try:
        async for chunk in chunks:
            exchange.context.setdefault("integration.timeToFirstContent", exchange.elapsed())
            yield chunk
    except StreamCutError as cut:
        exchange.context["integration.error"] = str(cut)
        raise
    finally:
        exchange.context["integration.latency"] = exchange.context["integrationLatency"] = exchange.elapsed()


async def limited(chunks: AsyncIterator[bytes], *, deadline: float, idle_limit: float) -> AsyncIterator[bytes]:
    """The same chunks, until the stream is silent for too long or lasts too long.

    Args:
        chunks: the backend's bytes.
        deadline: on the monotonic clock, when the answer must be over.
        idle_limit: seconds of silence allowed.

    Raises:
        StreamCutError: naming the limit that was reached.
    """
    iterator = chunks.__aiter__()
    while True:
        left = deadline - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(idle_limit, left))):
                chunk = await anext(iterator)
        except StopAsyncIteration:
            return
        except TimeoutError:
            which = "integration timeout" if left <= idle_limit else "idle timeout"
            raise StreamCutError(f"the {which} was reached") from None
        yield chunk


async def paced(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks: the first 10 MB at once, the rest at no more than 2 MB a second."""
    passed, since = 0, 0.0
    async for chunk in chunks:
        yield chunk
        before, passed = passed, passed + len(chunk)
        if passed <= FREE_STREAM_BYTES:
            continue
        if before <= FREE_STREAM_BYTES:
            since = time.monotonic()
        due = since + (passed - FREE_STREAM_BYTES) / STREAM_BYTES_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.monotonic()))
