"""How the local run's own servers run: on loopback only, quiet, and gone when told.

One `server_config` for every server, so that a test's server is the one that is run.
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

SHUTDOWN_SECONDS = 1
"""Open streams get this long to end before they are cut."""

IDLE_CONNECTION_SECONDS = 310.0
"""API Gateway's (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html)."""

KEEP_ALIVE_SECONDS = 65
"""A connection that has had a request stays at least this long at any time scale: closed under a client's pool, it
fails the next one."""

HEAD_LIMIT_BYTES = 64 * 1024
"""Of a request's line and headers, and of its trailers. Above any limit that an application checks itself, so that it
can answer in its own words."""

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
            "h11_max_incomplete_event_size": HEAD_LIMIT_BYTES,
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


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP protocol with an end to a caller who falls silent, and the right status for a head without end.

    The parser is h11, which reads every byte of a request as RFC 9112 has it: an upgrade that is not granted keeps its
    body, trailers are no headers, and a request has one ``Host``. It is slower than uvicorn's other parser, and fast
    enough: a stream is written in pieces of many events.

    An answer that nobody reads ends with its connection too, as long after it was closed.
    """

    config: ServerConfig

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._asked = False
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
        super().data_received(data)

    def on_response_complete(self) -> None:
        """A request has been answered."""
        self._asked = True
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, with the parser's own status; called where its error is being handled."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # too late for another answer
            self.transport.close()
            return
        status = getattr(sys.exc_info()[1], "error_status_hint", 400)
        headers = [("content-type", "text/plain; charset=utf-8"), ("connection", "close")]
        answer = [h11.Response(status_code=status, headers=headers), h11.Data(data=msg.encode()), h11.EndOfMessage()]
        self.transport.write(b"".join(self.conn.send(event) or b"" for event in answer))
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """An upgrade that is asked for and not granted is worth no line in the log (RFC 9110, section 7.8)."""

    @property
    def _waiting(self) -> bool:
        """Whether the caller owes the rest of a request, or the first one."""
        begun = bool(self.conn.trailing_data[0]) or not self._asked
        return self.conn.their_state is h11.SEND_BODY or (self.conn.their_state is h11.IDLE and begun)

    def _look(self) -> None:
        """Close the connection when it has kept a request waiting; drop it when it does not take its last bytes."""
        if self._closing:
            self.transport.abort()
            return
        idle = self.config.idle_seconds
        self._closing = self.transport.is_closing()
        left = self._heard + idle - self.loop.time() if self._waiting and not self._closing else idle
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
