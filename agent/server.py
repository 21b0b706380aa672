"""Serves the agent: settings from the environment, one socket, one event loop.

Settings that cannot work end the process with one sentence and exit code 2.
"""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

from agent.app import Service
from agent.settings import Settings, SettingsError

__all__ = ["main"]


def main() -> None:
    """Serve until stopped."""
    try:
        settings = Settings.from_environment(os.environ)
        serve(settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


def serve(settings: Settings) -> None:
    """Serve `agent.agent.build_agent` until stopped. Raises SettingsError when something it needs cannot be made."""
    from agent.agent import build_agent  # noqa: PLC0415 - the author's own, which may be slow to load
    from agent.strands.models import check_model  # noqa: PLC0415

    check_model(settings)
    service = Service(settings, build_agent)
    server = Server(configuration(service, settings), service)
    service.on_unusable = server.leave
    server.run(sockets=[_bound(settings)])
    if service.unusable:
        raise SettingsError(service.unusable)


def configuration(service: Service, settings: Settings) -> uvicorn.Config:
    """Return how the agent is served, wherever it is."""
    return uvicorn.Config(
        service.app,
        host=settings.host,
        port=settings.port,
        # Named, so that what is tested is what ships: uvicorn would take whatever is installed.
        loop="uvloop",
        http="httptools",
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

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def leave(self) -> None:
        """Stop serving."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the runs, then the connections."""
        await self._service.stop()
        await super().shutdown(sockets)
