"""How the local run's own servers run: on loopback only, quiet, and gone when told.

One `server_config` for every server, so that a test's server is the one that is run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from local.network import LOOPBACK

SHUTDOWN_SECONDS = 1
"""Open streams get this long to end before they are cut."""

IDLE_CONNECTION_SECONDS = 310.0
"""API Gateway's (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html)."""

KEEP_ALIVE_SECONDS = 65
"""A connection that has had a request stays at least this long at any time scale: closed under a client's pool, it
fails the next one."""

HEAD_LIMIT_BYTES = 64 * 1024
"""Of a request's line, headers and trailers. httptools has no limit, and reads a long one in quadratic time. Above any
limit that an application checks itself, so that it can answer in its own words."""

CUT = "ASGI callable returned without completing response."
"""uvicorn's report of a cut answer, which is a normal event here and not worth a line."""


class ServerConfig(uvicorn.Config):
    """A server on loopback that believes only the connection about where a request comes from.

    Args:
        app: the application.
        port: on loopback.
        idle_seconds: for how long a connection may keep a request waiting for its next byte.
        options: more of uvicorn's, or others in place of these.
    """

    def __init__(self, app: ASGIApp, port: int, *, idle_seconds: float, **options: Any) -> None:
        self.idle_seconds = idle_seconds
        own: dict[str, Any] = {
            "host": LOOPBACK,
            "port": port,
            "http": BoundedProtocol,
            "ws": "none",  # API Gateway's REST APIs and InvokeAgentRuntime know no WebSocket: it is a GET like another
            "proxy_headers": False,  # X-Forwarded-For is the caller's word
            "log_level": "warning",
            "access_log": False,
            "server_header": False,
            "date_header": True,
            "timeout_keep_alive": max(KEEP_ALIVE_SECONDS, math.ceil(idle_seconds)),
            "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
        }
        super().__init__(app, **{**own, **options})


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with what it lacks: an end to a head that never ends, and to a caller who falls silent.

    An answer that nobody reads ends with its connection too, as long after it was closed.
    """

    config: ServerConfig

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._head_bytes = 0
        self._reading = True
        self._closing = False
        self._heard = self.loop.time()
        self._watch = self.loop.call_later(self.config.idle_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heard = self.loop.time()
        self._head_bytes += len(data)  # until a callback of the parser says that something else has begun
        super().data_received(data)
        if self._head_bytes > HEAD_LIMIT_BYTES and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request's first byte came."""
        self._reading = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is over."""
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Part of the body came."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request's last byte came."""
        self._head_bytes = 0
        self._reading = False
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """An upgrade that is asked for and not granted is worth no line in the log (RFC 9110, section 7.8)."""

    def _look(self) -> None:
        """Close the connection when it has kept a request waiting; drop it when it does not take its last bytes."""
        if self._closing:
            self.transport.abort()
            return
        idle = self.config.idle_seconds
        self._closing = self.transport.is_closing()
        left = self._heard + idle - self.loop.time() if self._reading and not self._closing else idle
        if left <= 0:
            self.transport.close()
            left = idle
        self._watch = self.loop.call_later(left, self._look)


def server_config(app: ASGIApp, port: int = 0, *, time_scale: float = 1.0, **options: Any) -> ServerConfig:
    """How a data plane is served.

    Args:
        app: the application.
        port: on loopback.
        time_scale: AWS's time limits are divided by this.
        options: more of uvicorn's.
    """
    # uvicorn takes a cut answer for an error of the application.
    logging.getLogger("uvicorn.error").addFilter(_is_no_cut)
    return ServerConfig(app, port, idle_seconds=IDLE_CONNECTION_SECONDS / time_scale, **options)


def _is_no_cut(record: logging.LogRecord) -> bool:
    return record.getMessage() != CUT


def serve(app: ASGIApp, port: int, *, time_scale: float = 1.0) -> None:
    """Serve an application on a loopback port until SIGINT or SIGTERM.

    Args:
        app: the application.
        port: on loopback.
        time_scale: AWS's time limits are divided by this.

    Raises:
        SystemExit: when the server does not start; uvicorn has said why.
    """
    server = uvicorn.Server(server_config(app, port, time_scale=time_scale))
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise SystemExit(1)
