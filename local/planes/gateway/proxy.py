"""The HTTP_PROXY integration: passes on the backend's response, whole (BUFFERED) or as it arrives (STREAM).

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
    """The request to the backend."""

    method: str
    headers: Headers
    query: Query
    body: bytes


class Proxy:
    """Calls the backend of a method.

    Args:
        session: connections to the backend.
        addresses: the loopback addresses of AWS's hosts.
        idle_limit: seconds of silence after which a stream is cut.
    """

    def __init__(self, session: aiohttp.ClientSession, addresses: AddressBook, *, idle_limit: float) -> None:
        self._session = session
        self._addresses = addresses
        self._idle_limit = idle_limit

    async def call(self, integration: Integration, request: BackendRequest, exchange: Exchange) -> Response:
        """The response to the caller; also sets the access log's ``integration`` variables.

        Raises:
            GatewayError: when the backend does not answer, or not in time.
        """
        streaming = integration.transfer_mode == "STREAM"
        context = exchange.context
        context["integration.responseTransferMode"] = "STREAMED" if streaming else "BUFFERED"
        deadline = asyncio.get_running_loop().time() + integration.timeout
        try:
            # A stream's status is sent with the backend's headers, so a later timeout cannot become a 504.
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
    """A backend's response, passed on as it arrives at the allowed rate; its end is recorded for the access log."""

    def __init__(self, upstream: Upstream, exchange: Exchange, *, deadline: float, idle_limit: float) -> None:
        super().__init__(
            upstream,
            paced(_record_first_chunk(upstream.chunks(), exchange)),
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
            _record_end(self._exchange)


async def _buffered(upstream: Upstream, exchange: Exchange) -> Response:
    """Collect the whole response before it is sent."""
    body = bytearray()
    try:
        with contextlib.closing(upstream):
            async for chunk in _record_first_chunk(upstream.chunks(), exchange):
                body += chunk
                if len(body) > BODY_LIMIT_BYTES:
                    raise GatewayError("INTEGRATION_FAILURE", reason="the backend's answer is larger than 10 MB")
    finally:
        _record_end(exchange)
    response = Response(bytes(body), status_code=upstream.status)
    kept = [pair for pair in caller_headers(upstream.received, exchange.context) if pair[0] != "content-length"]
    response.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept]
    response.raw_headers.append((b"content-length", str(len(body)).encode()))
    return response


async def _record_first_chunk(chunks: AsyncIterator[bytes], exchange: Exchange) -> AsyncIterator[bytes]:
    """The same chunks; records the arrival of the first for the access log."""
    async for chunk in chunks:
        exchange.context.setdefault("integration.timeToFirstContent", exchange.elapsed())
        yield chunk


def _record_end(exchange: Exchange) -> None:
    """Record how long the integration took, for the access log."""
    exchange.context["integration.latency"] = exchange.context["integrationLatency"] = exchange.elapsed()


async def paced(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks: the first 10 MB at once, the rest at no more than 2 MB a second."""
    passed, due = 0, 0.0
    async for chunk in chunks:
        yield chunk
        passed += len(chunk)
        charged = min(len(chunk), passed - FREE_STREAM_BYTES)
        if charged > 0:
            due = max(due, time.monotonic()) + charged / STREAM_BYTES_PER_SECOND  # a pause gives no credit
            await asyncio.sleep(due - time.monotonic())
