"""The HTTP_PROXY integration: the backend's answer, whole (BUFFERED) or as it comes (STREAM), within its limits.

Limits: https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import urlencode

import aiohttp
from starlette.responses import Response
from starlette.types import Send

from contract import BODY_LIMIT_BYTES, FREE_STREAM_BYTES, STREAM_BYTES_PER_SECOND
from local.planes.addresses import AddressBook, UnknownHostError
from local.planes.gateway.access_log import Exchange
from local.planes.gateway.api import Integration
from local.planes.gateway.mapping import Query, caller_headers
from local.planes.gateway.responses import GatewayError
from local.planes.upstream import Headers, PassingResponse, StreamCutError, Upstream, UpstreamError, open_upstream


class BackendRequest(NamedTuple):
    """What is sent to the backend."""

    method: str
    headers: Headers
    query: Query
    body: bytes


class Proxy:
    """Calls the backend of a method.

    Args:
        session: connections to the backend.
        addresses: where AWS's hosts are on loopback.
        idle_limit: seconds of silence after which a stream is cut.
    """

    def __init__(self, session: aiohttp.ClientSession, addresses: AddressBook, *, idle_limit: float) -> None:
        self._session = session
        self._addresses = addresses
        self._idle_limit = idle_limit

    async def call(self, integration: Integration, request: BackendRequest, exchange: Exchange) -> Response:
        """The answer to the caller; the access log's ``integration`` variables are set on the way.

        Raises:
            GatewayError: when the backend does not answer in time or at all.
        """
        streaming = integration.transfer_mode == "STREAM"
        context = exchange.context
        context["integration.responseTransferMode"] = "STREAMED" if streaming else "BUFFERED"
        deadline = asyncio.get_running_loop().time() + integration.timeout
        try:
            # Only up to the backend's headers when streaming: what comes later can no longer change the status.
            async with asyncio.timeout_at(deadline):
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
        return _Stream(upstream, exchange, deadline=deadline, idle_limit=self._idle_limit)

    async def _open(self, integration: Integration, request: BackendRequest) -> Upstream:
        url = self._addresses.locate(integration.uri)
        if request.query:
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(request.query)}"
        method = request.method if integration.http_method == "ANY" else integration.http_method
        return await open_upstream(self._session, url, method=method, headers=request.headers, body=request.body)


class _Stream(PassingResponse):
    """A backend's answer as it comes, paced; what became of it goes into the access log."""

    def __init__(self, upstream: Upstream, exchange: Exchange, *, deadline: float, idle_limit: float) -> None:
        super().__init__(
            upstream,
            paced(_noted(upstream.chunks(), exchange)),
            status=upstream.status,
            headers=caller_headers(upstream.received, exchange.context),
            deadline=deadline,
            idle_limit=idle_limit,
        )
        self._exchange = exchange

    async def stream_response(self, send: Send) -> None:
        """See `PassingResponse`."""
        try:
            await super().stream_response(send)
        finally:
            if self.cut:
                self._exchange.context["integration.error"] = str(self.cut)
            _over(self._exchange)


async def _buffered(upstream: Upstream, exchange: Exchange) -> Response:
    """Hold the whole answer back until its last byte."""
    body = bytearray()
    try:
        with contextlib.closing(upstream):
            async for chunk in _noted(upstream.chunks(), exchange):
                body += chunk
                if len(body) > BODY_LIMIT_BYTES:
                    raise GatewayError("INTEGRATION_FAILURE", reason="the backend's answer is larger than 10 MB")
    finally:
        _over(exchange)
    response = Response(bytes(body), status_code=upstream.status)
    kept = [pair for pair in caller_headers(upstream.received, exchange.context) if pair[0] != "content-length"]
    response.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept]
    response.raw_headers.append((b"content-length", str(len(body)).encode()))
    return response


async def _noted(chunks: AsyncIterator[bytes], exchange: Exchange) -> AsyncIterator[bytes]:
    """The same chunks; when the first came goes into the access log."""
    async for chunk in chunks:
        exchange.context.setdefault("integration.timeToFirstContent", exchange.elapsed())
        yield chunk


def _over(exchange: Exchange) -> None:
    """The integration is over: note how long it took."""
    exchange.context["integration.latency"] = exchange.context["integrationLatency"] = exchange.elapsed()


async def paced(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks: the first 10 MB at once, the rest at no more than 2 MB a second."""
    passed, due = 0, 0.0
    async for chunk in chunks:
        yield chunk
        passed += len(chunk)
        charged = min(len(chunk), passed - FREE_STREAM_BYTES)
        if charged > 0:
            due = max(due, time.monotonic()) + charged / STREAM_BYTES_PER_SECOND  # a pause saves nothing up
            await asyncio.sleep(due - time.monotonic())
