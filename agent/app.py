"""The server AgentCore talks to: POST /invocations and GET /ping on one event loop.

The entrypoint hands the SDK a streaming response instead of yielding events: a yielded generator is run on
the SDK's worker loop and goes on after the caller has hung up, a returned response is iterated on the
server's own loop and ends with the connection.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from ag_ui.core import BaseEvent
from bedrock_agentcore.runtime import BedrockAgentCoreApp, BedrockAgentCoreContext, RequestContext
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp
from strands.models import Model

from agent.agent import build_agent as default_agent
from agent.blocking import detection
from agent.body import BodyCheck
from agent.errors import RefusalError
from agent.memory import Memory, ProcessMemory
from agent.models import build_model, check_model
from agent.request import accept
from agent.run import BuildAgent, events_of
from agent.sessions import Sessions, Turn
from agent.settings import Settings, SettingsError
from agent.stream import EventStream, RunStream, stop, stopped
from agent.telemetry import RunRecord
from agent.threads import Threads

__all__ = ["create_app", "main"]

SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
REQUEST_ID_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Request-Id"
# A model call or a tool may hold a thread for minutes; asyncio's own default is cpus + 4, six in a microVM.
_THREADS = 64


def main() -> None:
    """Serve until stopped. Settings that cannot work end the process with one sentence and exit code 2."""
    try:
        settings = Settings.from_environment(os.environ)
        check_model(settings)
        _serve(settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


def create_app(settings: Settings, build_agent: BuildAgent = default_agent) -> BedrockAgentCoreApp:
    """Return the ASGI application that answers every request with what `build_agent` builds."""
    return _Service(settings, build_agent).app


def _serve(settings: Settings) -> None:
    """Serve until stopped. Raises SettingsError when the model or the memory cannot be made."""
    service = _Service(settings, default_agent)
    config = uvicorn.Config(
        service.app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        ws="none",  # nothing here speaks WebSocket
        timeout_keep_alive=75,  # longer than a gateway keeps an idle connection, so that the gateway closes it
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, service)

    def leave() -> None:
        server.should_exit = True

    service.on_unusable = leave
    server.run(sockets=[_bound(settings)])
    if service.unusable:
        raise SettingsError(service.unusable)


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


class _Server(uvicorn.Server):
    """uvicorn, which ends the runs while their connections are still there to tell the callers."""

    def __init__(self, config: uvicorn.Config, service: _Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.stopping = True
        await stop(self._service.running)
        await super().shutdown(sockets)


class _Service:
    """What lives as long as the process: the application, the model, the sessions, the memory, the threads."""

    def __init__(self, settings: Settings, build_agent: BuildAgent) -> None:
        self.unusable: str | None = None
        self.on_unusable: Callable[[], None] = lambda: None
        self._settings = settings
        self._build_agent = build_agent
        self._sessions = Sessions()
        self.running: set[RunStream] = set()
        self.stopping = False
        self._backends: asyncio.Future[tuple[Model, Memory]]
        check = Middleware(BodyCheck, settings=settings, refuse=self._refuse)
        self.app = BedrockAgentCoreApp(lifespan=self._lifespan, middleware=[check])
        self.app.entrypoint(self._invoke)
        # The SDK logs every request at INFO; the run's own line says more.
        logging.getLogger("bedrock_agentcore.app").setLevel(logging.WARNING)

    @asynccontextmanager
    async def _lifespan(self, app: ASGIApp) -> AsyncIterator[None]:
        """Make the model and the memory in a thread, while /ping is answered already."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(Threads(_THREADS))
        with detection(wanted=self._settings.detect_blocking):
            self._backends = asyncio.ensure_future(asyncio.to_thread(_make_backends, self._settings))
            self._backends.add_done_callback(self._check_backends)
            yield
            await stop(self.running)  # a server that is not ours may have left them
            self._backends.cancel()

    def _check_backends(self, backends: asyncio.Future[tuple[Model, Memory]]) -> None:
        error = None if backends.cancelled() else backends.exception()
        if error is not None:
            known = isinstance(error, SettingsError)
            self.unusable = str(error) if known else f"The agent cannot start: {type(error).__name__}: {error}"
            self.on_unusable()

    def _invoke(self, payload: Any, context: RequestContext) -> EventStream:
        """Answer one request.

        A plain function: the SDK runs it in a thread, so checking a large body lets the other streams in between,
        and iterates the body it returns on the server's own loop.
        """
        # The request's own: what the SDK keeps of a request shines through to the next of its connection.
        headers = context.request.headers if context.request else {}
        session_id = context.session_id
        request_id = BedrockAgentCoreContext.get_request_id() or ""
        record = RunRecord(session_id=session_id, request_id=request_id)
        try:
            if self.stopping:  # connections are still taken while the runs end
                raise stopped()
            run = accept(payload, headers, self._settings, session_id=session_id, request_id=request_id)
        except Exception as error:  # noqa: BLE001 - the SDK would send its text to the caller
            return self._respond(_raise(error), record, Turn(), {})
        record.run = run
        turn = Turn()
        events = events_of(
            run,
            sessions=self._sessions,
            turn=turn,
            backends=self._backends,
            build_agent=self._build_agent,
            record=record,
            settings=self._settings,
        )
        return self._respond(events, record, turn, {} if session_id else {SESSION_HEADER: run.session_id})

    def _refuse(self, error: RefusalError, headers: Headers) -> EventStream:
        record = RunRecord(session_id=headers.get(SESSION_HEADER), request_id=headers.get(REQUEST_ID_HEADER))
        return self._respond(_raise(error), record, Turn(), {})

    def _respond(
        self, events: AsyncGenerator[BaseEvent, None], record: RunRecord, turn: Turn, headers: dict[str, str]
    ) -> EventStream:
        if self._settings.allowed_origin:
            # Static, because AgentCore never forwards Origin to the agent.
            headers["Access-Control-Allow-Origin"] = self._settings.allowed_origin
        stream = RunStream(events, record, self._settings, running=self.running, release=turn.leave)
        return EventStream(stream.body(), headers)


async def _raise(error: Exception) -> AsyncGenerator[BaseEvent, None]:
    raise error
    yield


def _make_backends(settings: Settings) -> tuple[Model, Memory]:
    """Do what the first request would otherwise wait for. Blocks: reads files, resolves credentials."""
    import jwt  # noqa: F401, PLC0415 - it loads cryptography, which the first /ping need not wait for

    memory: Memory = ProcessMemory(settings.max_messages)
    if settings.memory_id:
        from agent.agentcore_memory import AgentCoreMemory  # noqa: PLC0415 - loads the memory client

        memory = AgentCoreMemory(settings)
    return build_model(settings), memory
