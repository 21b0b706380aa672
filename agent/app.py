"""The HTTP server that AgentCore calls: POST /invocations and GET /ping, on one event loop.

This module's own route replaces that of the SDK's application: it reads the body once, bounded and checked, and its
response only reads a run that has a task of its own. A generator that is yielded to the SDK would run on the SDK's
worker loop, continue after the client has disconnected, and be lost to a client that attaches again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pydantic_core
from ag_ui.core import RunErrorEvent, RunFinishedEvent, RunStartedEvent
from bedrock_agentcore.runtime import BedrockAgentCoreApp, BedrockAgentCoreContext
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from agent.blocking import detection
from agent.caller import REQUEST_ID_HEADER, SESSION_HEADER, Caller, caller_of, check_origin
from agent.errors import AgentError, Code, RefusalError, bad_request, classify
from agent.eventlog import encode
from agent.executor import DaemonExecutor
from agent.framework import BuildAgent, Frameworks, load_build_agent
from agent.memory import Memory, ProcessMemory
from agent.reader import HEADERS, EventStream
from agent.request import Attach, Command, History, Run, command_of
from agent.runs import Runs
from agent.secrets import resolve_secrets
from agent.settings import Settings, SettingsError
from agent.telemetry import RunRecord, log_line
from agent.turns import Turns

__all__ = ["Service", "create_app"]

# A model call or a tool may hold a thread for minutes; asyncio's own default is cpus + 4, six in a microVM.
_THREADS = 64
# A larger body is parsed and checked in a thread, so that it does not stall the streams.
_SMALL_BODY = 65_536


def create_app(settings: Settings, build_agent: BuildAgent | None = None) -> BedrockAgentCoreApp:
    """Return the ASGI application that answers every question with an agent from `build_agent`.

    The default is the `build_agent` of the module in `settings.module`. Raises SettingsError if that has none.
    """
    return Service(settings, build_agent or load_build_agent(settings)).app


class Service:
    """The objects that live as long as the process: application, frameworks, memory, runs and thread pool."""

    def __init__(self, settings: Settings, build_agent: BuildAgent) -> None:
        self.load_error: str | None = None
        """Why loading failed, in one sentence; None if it did not."""
        self.on_load_error: Callable[[], None] = lambda: None
        self.stopping = False
        self._settings = settings
        self._frameworks = Frameworks(build_agent, settings)
        self.runs: Runs
        self._ping = ("Healthy", int(time.time()))
        self.app = BedrockAgentCoreApp(lifespan=self.lifespan)
        # The first matching route wins, so these precede the SDK's.
        self.app.router.routes[:0] = [
            Route("/invocations", self._invoke, methods=["POST"]),
            Route("/ping", self._answer_ping, methods=["GET"]),
        ]

    @asynccontextmanager
    async def lifespan(self, app: ASGIApp) -> AsyncIterator[None]:
        """Load the frameworks and the memory in threads, while /ping is already answered."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(DaemonExecutor(_THREADS))
        with detection(wanted=self._settings.detect_blocking):
            frameworks = asyncio.ensure_future(asyncio.to_thread(self._load_frameworks))
            memory = asyncio.ensure_future(asyncio.to_thread(_make_memory, self._settings))
            for loading in (frameworks, memory):
                loading.add_done_callback(self._check_loaded)
            turns = Turns(memory, self._settings)
            self.runs = Runs(self._settings, frameworks=frameworks, turns=turns)
            yield
            await self.stop()  # another server than agent.server may not have called it
            frameworks.cancel()
            memory.cancel()

    def _load_frameworks(self) -> Frameworks:
        resolve_secrets(self._settings)  # before prepare(): the model's API key may be a secret
        self._frameworks.prepare()
        return self._frameworks

    def _check_loaded(self, loading: asyncio.Future[Any]) -> None:
        error = None if loading.cancelled() else loading.exception()
        if error is not None and self.load_error is None:
            known = isinstance(error, SettingsError)
            self.load_error = str(error) if known else f"The agent cannot start: {type(error).__name__}: {error}"
            self.on_load_error()

    async def stop(self) -> None:
        """Refuse further questions, and end the runs while their connections are still open for the last events."""
        self.stopping = True
        await self.runs.end_all()

    async def _answer_ping(self, request: Request) -> JSONResponse:
        """Report whether a run is under way. The time changes only with the status: AgentCore's idle timeout needs it.

        Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-http-protocol-contract.html
        """
        status = "HealthyBusy" if self.runs.under_way else "Healthy"
        if status != self._ping[0]:
            self._ping = (status, int(time.time()))
        return JSONResponse({"status": status, "time_of_last_update": self._ping[1]})

    async def _invoke(self, request: Request) -> Response:
        """Answer one request, always with status 200: AgentCore replaces any other with an opaque 424."""
        headers = request.headers
        record = RunRecord(session_id=headers.get(SESSION_HEADER), request_id=headers.get(REQUEST_ID_HEADER))
        try:
            # First, so that a request that bypasses the API learns nothing else.
            check_origin(headers, self._settings)
            body = await _read(request, self._settings.max_body_bytes)
            caller = caller_of(headers, self._settings)
            record.session_id = caller.session_id
            if self.stopping:  # the server still accepts connections while the runs end
                raise AgentError(Code.INTERNAL, "The agent is being stopped; ask again in a moment.")
            if len(body) > _SMALL_BODY:
                command = await asyncio.to_thread(_parse, body, caller, self._settings)
            else:
                command = _parse(body, caller, self._settings)
            _set_sdk_context(headers, caller)
            return await self._execute(command, caller, record)
        except ClientDisconnect:
            return Response()
        except Exception as error:  # noqa: BLE001 - uncaught, it would become a 500
            return self._refuse(error, record)

    async def _execute(self, command: Command, caller: Caller, record: RunRecord) -> Response:
        extra = {SESSION_HEADER: caller.session_id} if caller.new_session else {}
        if isinstance(command, Run):
            record.run = command
            return EventStream(self.runs.start(command, caller, record), self._headers(extra))
        if isinstance(command, Attach):
            return EventStream(await self.runs.attach(command, caller), self._headers())
        if isinstance(command, History):
            return self._event_stream(await self.runs.history(command, caller))
        stopped = {"stopped": await self.runs.stop(command, caller)}
        if not command.stock:
            return JSONResponse(stopped, headers=self._headers())
        ids = {"thread_id": command.thread_id, "run_id": command.request_run_id}
        return self._event_stream([encode(RunStartedEvent(**ids)), encode(RunFinishedEvent(**ids, result=stopped))])

    def _refuse(self, error: Exception, record: RunRecord) -> Response:
        reason = classify(error)
        known = isinstance(error, RefusalError)
        record.outcome = "refused" if known else "error"
        message = record.set_error(reason)
        log_line(record.line(self._settings, None if known else error))
        return self._event_stream([encode(RunErrorEvent(message=message, code=reason.code))])

    def _event_stream(self, events: Iterable[bytes]) -> Response:
        return StreamingResponse(iter(events), media_type="text/event-stream", headers=HEADERS | self._headers())

    def _headers(self, more: dict[str, str] | None = None) -> dict[str, str]:
        # A fixed origin, because AgentCore never forwards the Origin header.
        origin = self._settings.allowed_origin
        return {**({"Access-Control-Allow-Origin": origin} if origin else {}), **(more or {})}


async def _read(request: Request, limit: int) -> bytes:
    """Return the body. Raises RefusalError(INVALID_INPUT) as soon as it has more than `limit` bytes."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise bad_request(f"the body has more than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _parse(body: bytes, caller: Caller, settings: Settings) -> Command:
    """Return the command in a body.

    Raises RefusalError(INVALID_INPUT) for a body that is not JSON (bad UTF-8, lone surrogates, NaN and more than 200
    levels of nesting included) or is not a command.
    """
    try:
        payload = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError:
        raise bad_request("the body is not JSON in UTF-8") from None
    return command_of(payload, caller, settings)


def _set_sdk_context(headers: Any, caller: Caller) -> None:
    """Set the context variables that the SDK's identity functions read; the run's task inherits them."""
    BedrockAgentCoreContext.set_request_context(caller.request_id, caller.session_id)
    if token := headers.get("WorkloadAccessToken"):
        BedrockAgentCoreContext.set_workload_access_token(token)


def _make_memory(settings: Settings) -> Memory:
    """Make the store of the histories. Blocks: reads files, resolves credentials."""
    if settings.memory_id:
        from agent.agentcore_memory import AgentCoreMemory  # noqa: PLC0415 - loads the memory client

        return AgentCoreMemory(settings)
    return ProcessMemory(settings.max_messages)
