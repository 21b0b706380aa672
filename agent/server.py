"""Serves the agent: settings from the environment, one socket, one event loop.

Settings that cannot work end the process with one sentence and exit code 2.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import uvicorn

from agent.front import Front
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

    Raises SettingsError when something it needs cannot be made, and what importing the author's module raises.
    """
    from agent.strands.models import check_model  # noqa: PLC0415 - costs no import of Strands

    check_model(settings)
    services: list[Service] = []

    def load() -> Service:
        # Most of a cold start: the agent, its framework, boto3.
        from agent.app import Service  # noqa: PLC0415
        from agent.framework import load_build_agent  # noqa: PLC0415

        services.append(Service(settings, load_build_agent(settings)))
        return services[0]

    front = Front(load)
    server = Server(configuration(front, settings), front)
    front.leave = server.leave
    server.run(sockets=[_bound(settings)])
    if front.failure is not None:
        raise front.failure
    if services and services[0].unusable:
        raise SettingsError(services[0].unusable)


def configuration(app: Any, settings: Settings) -> uvicorn.Config:
    """Return how the agent is served, wherever it is."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        # Named, so that what is tested is what ships: uvicorn would take whatever is installed.
        loop="uvloop",
        http="httptools",
        lifespan="on",
        ws="none",  # nothing here speaks WebSocket
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,  # longer than a gateway keeps an idle connection, so that the gateway closes it
        timeout_graceful_shutdown=1,
    )


def _bound(settings: Settings) -> socket.socket:
    """Return a socket at the address to listen at. Raises SettingsError when it cannot be had."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except (OSError, UnicodeError) as error:  # the latter of a name that no host can have
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"AGENT_HOST and AGENT_PORT cannot be used, because nothing can listen there ({reason}): "
            "write an address of this machine and a port that is free."
        ) from None
    return listener


class Server(uvicorn.Server):
    """uvicorn, which ends the runs while their connections are still there to tell the callers."""

    def __init__(self, config: uvicorn.Config, app: Service | Front) -> None:
        super().__init__(config)
        self._app = app

    def leave(self) -> None:
        """Stop serving."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the runs, then the connections."""
        await self._app.stop()
        await super().shutdown(sockets)
