"""The configuration of the local run's servers: on loopback only, without an access log, with bounded shutdown.

Every server uses `server_config`, so that tests run the same server as the local run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import sys
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from local import LOOPBACK
from local.planes.field_value import is_field_value

SHUTDOWN_SECONDS = 1
"""Open streams get this long to end before they are cut."""

IDLE_CONNECTION_SECONDS = 310.0
"""API Gateway's (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html)."""

KEEP_ALIVE_SECONDS = 65
"""A connection that has had a request stays open at least this long at any time scale: if it is closed while it is in a
client's pool, the client's next request fails."""

HEAD_LIMIT_BYTES = 64 * 1024
"""Limit of a request's line and headers, and of its trailers. Above any limit that an application checks itself, so
that the application's own error response is sent."""

CUT = "ASGI callable returned without completing response."
"""uvicorn's log message for a response that was cut, which is normal here and is filtered out."""


class ServerConfig(uvicorn.Config):
    """A server on loopback that takes the client address from the connection, never from a header.

    Args:
        app: the application.
        port: on loopback.
        idle_seconds: the longest wait for the next byte of a request.
        options: of uvicorn, added to or in place of these.
    """

    def __init__(self, app: ASGIApp, port: int, *, idle_seconds: float, **options: Any) -> None:
        self.idle_seconds = idle_seconds
        own: dict[str, Any] = {
            "host": LOOPBACK,
            "port": port,
            "http": BoundedProtocol,
            "ws": "none",  # REST APIs and InvokeAgentRuntime have no WebSocket: an upgrade request is an ordinary GET
            "proxy_headers": False,  # any caller can send X-Forwarded-For
            "log_level": "warning",
            "access_log": False,
            "server_header": False,
            "date_header": True,
            "timeout_keep_alive": max(KEEP_ALIVE_SECONDS, math.ceil(idle_seconds)),
            "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
        }
        super().__init__(app, **{**own, **options})


class _Connection(h11.Connection):
    """Refuses a request with a control character in a header.

    h11 lets most of them pass, but aiohttp does not send them on, so that the caller would be told that the next hop
    cannot be reached.
    """

    def next_event(self) -> Any:
        """See `h11.Connection.next_event`."""
        event = super().next_event()
        if isinstance(event, h11.Request) and not all(is_field_value(value) for _, value in event.headers):
            raise h11.RemoteProtocolError("there is a control character in a header")
        return event


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP protocol with a read timeout, and the right status for a request head that is too large.

    The parser is h11, which follows RFC 9112: a request with a refused upgrade keeps its body, trailers are not taken
    for headers, and there must be one ``Host``. It is slower than uvicorn's other parser, and fast enough: a stream is
    written in pieces of many events.

    A closed connection whose last bytes the client does not read is aborted after the same timeout.
    """

    config: ServerConfig

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self.conn = _Connection(h11.SERVER, HEAD_LIMIT_BYTES)
        self._answered = False
        self._closing = False
        self._last_byte = self.loop.time()
        self._timer = self.loop.call_later(self.config.idle_seconds, self._check_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._last_byte = self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """See `H11Protocol`."""
        self._answered = True
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that cannot be parsed, with the parser's status; called in the handler of its error."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # a response has begun already
            self.transport.close()
            return
        status = getattr(sys.exc_info()[1], "error_status_hint", 400)
        headers = [("content-type", "text/plain; charset=utf-8"), ("connection", "close")]
        answer = [h11.Response(status_code=status, headers=headers), h11.Data(data=msg.encode()), h11.EndOfMessage()]
        self.transport.write(b"".join(self.conn.send(event) or b"" for event in answer))
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Do not log an upgrade that is not granted: a server may ignore it (RFC 9110, section 7.8)."""

    @property
    def _waiting(self) -> bool:
        """Whether the rest of a request, or the connection's first request, has yet to arrive."""
        begun = bool(self.conn.trailing_data[0]) or not self._answered
        return self.conn.their_state is h11.SEND_BODY or (self.conn.their_state is h11.IDLE and begun)

    def _check_timeout(self) -> None:
        """Close the connection on a read timeout; abort it when it is closing and its last bytes are not read."""
        if self._closing:
            self.transport.abort()
            return
        idle = self.config.idle_seconds
        self._closing = self.transport.is_closing()
        left = self._last_byte + idle - self.loop.time() if self._waiting and not self._closing else idle
        if left <= 0:
            self.transport.close()
            left = idle
        self._timer = self.loop.call_later(left, self._check_timeout)


def server_config(app: ASGIApp, port: int = 0, *, time_scale: float = 1.0, **options: Any) -> ServerConfig:
    """The configuration of a data plane's server.

    Args:
        app: the application.
        port: on loopback.
        time_scale: AWS's time limits are divided by this.
        options: more of uvicorn's.
    """
    # uvicorn logs a response that was cut as an error of the application.
    logging.getLogger("uvicorn.error").addFilter(_is_not_cut)
    return ServerConfig(app, port, idle_seconds=IDLE_CONNECTION_SECONDS / time_scale, **options)


def _is_not_cut(record: logging.LogRecord) -> bool:
    return record.getMessage() != CUT


def serve(app: ASGIApp, port: int, *, time_scale: float = 1.0) -> None:
    """Serve an application on a loopback port until SIGINT or SIGTERM.

    Args:
        app: the application.
        port: on loopback.
        time_scale: AWS's time limits are divided by this.

    Raises:
        SystemExit: when the server does not start; uvicorn has logged why.
    """
    server = uvicorn.Server(server_config(app, port, time_scale=time_scale))
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise SystemExit(1)
