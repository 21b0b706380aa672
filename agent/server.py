"""Serves the agent: settings from the environment, one socket, one event loop.

Invalid settings end the process with one sentence and exit code 2.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.lazy_app import LazyApp
from agent.settings import Settings, SettingsError

if TYPE_CHECKING:
    from agent.app import Service

__all__ = ["configuration", "main", "serve"]


def main() -> None:
    """Serve until stopped."""
    try:
        settings = Settings.from_environment(os.environ)
        serve(settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


def serve(settings: Settings) -> None:
    """Serve the author's `build_agent` until stopped.

    Raises SettingsError when the model or the memory cannot be made, and whatever importing the author's module raises.
    """
    from agent.strands.models import check_model  # noqa: PLC0415 - does not import Strands

    check_model(settings)
    services: list[Service] = []

    def load() -> Service:
        # These imports are most of a cold start: the agent, its framework, boto3. The author's module comes first: one
        # that cannot be imported ends the process without waiting for the others.
        from agent.framework import load_build_agent  # noqa: PLC0415

        build_agent = load_build_agent(settings)
        from agent.app import Service  # noqa: PLC0415

        services.append(Service(settings, build_agent))
        return services[0]

    app = LazyApp(load)
    server = Server(configuration(app, settings), app)
    app.exit_server = server.exit_server
    server.run(sockets=[_bound(settings)])
    if app.failure is not None:
        raise app.failure
    if services and services[0].load_error:
        raise SettingsError(services[0].load_error)


class HTTPProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with the h11 parser, which keeps the body of a request with an Upgrade header.

    Java's client and ``curl --http2`` send that header to negotiate HTTP/2. uvicorn's other parser, httptools, drops
    the body or reads it as the next request. It takes 2 % less processor time here with one stream, and up to 15 % less
    with 300 that never pause (``bench/README.md``).
    """

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: a server may ignore an upgrade request (RFC 9110, section 7.8)."""


def configuration(app: Any, settings: Settings) -> uvicorn.Config:
    """Return uvicorn's configuration, the same in every environment."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        # Explicit, so that tests and the deployed agent use the same: uvicorn's default is whatever is installed.
        loop="uvloop",
        http=HTTPProtocol,
        lifespan="on",
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,  # longer than a gateway keeps an idle connection, so that the gateway closes it
        timeout_graceful_shutdown=1,
    )


def _bound(settings: Settings) -> socket.socket:
    """Return a socket that is bound to AGENT_HOST and AGENT_PORT. Raises SettingsError when that fails."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except (OSError, UnicodeError) as error:  # UnicodeError: not a valid host name
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"The agent cannot listen at AGENT_HOST and AGENT_PORT ({reason}): "
            "set an address of this machine and a free port."
        ) from None
    return listener


class Server(uvicorn.Server):
    """A uvicorn server that ends the runs before it closes their connections, so that clients get the last events."""

    def __init__(self, config: uvicorn.Config, app: Service | LazyApp) -> None:
        super().__init__(config)
        self._app = app

    def exit_server(self) -> None:
        """Make the server exit."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the runs, then the connections."""
        await self._app.stop()
        await super().shutdown(sockets)
