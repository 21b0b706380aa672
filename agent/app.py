"""What AgentCore talks to: POST /invocations and GET /ping, on one event loop.

The route of the SDK's application is replaced by one of our own: it reads the body itself, once, bounded and checked,
and its response only reads a run that has a task of its own. A generator that is yielded to the SDK would run on the
SDK's worker loop, go on after the caller has hung up, and be lost to a caller who comes back.
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
from agent.framework import BuildAgent, Frameworks, load_build_agent
from agent.memory import Memory, ProcessMemory
from agent.reader import HEADERS, EventStream
from agent.request import Attach, Command, History, Run, command_of
from agent.runs import Runs
from agent.secrets import resolve_secrets
from agent.settings import Settings, SettingsError
from agent.telemetry import RunRecord, log_line
from agent.threads import Threads
from agent.turns import Turns

__all__ = ["Service", "create_app"]

# A model call or a tool may hold a thread for minutes; asyncio's own default is cpus + 4, six in a microVM.
_THREADS = 64
# A body above this is parsed and checked in a thread, so that the streams go on meanwhile.
_SMALL_BODY = 65_536


def create_app(settings: Settings, build_agent: BuildAgent | None = None) -> BedrockAgentCoreApp:
    """Return the ASGI application that answers every question with what `build_agent` builds.

    Without one it is that of the module that the settings name. Raises SettingsError for one that cannot be called.
    """
    return Service(settings, build_agent or load_build_agent(settings)).app


class Service:
    """What lives as long as the process: the application, the frameworks, the memory, the runs, the threads."""

    def __init__(self, settings: Settings, build_agent: BuildAgent) -> None:
        self.unusable: str | None = None
        """Why the process cannot work, in one sentence; None when it can."""
        self.on_unusable: Callable[[], None] = lambda: None
        self.stopping = False
        self._settings = settings
        self._frameworks = Frameworks(build_agent, settings)
        self.runs: Runs
        self._ping = ("Healthy", int(time.time()))
        self.app = BedrockAgentCoreApp(lifespan=self.lifespan)
        # Routes are tried in order, so ours come before the SDK's.
        self.app.router.routes[:0] = [
            Route("/invocations", self._invoke, methods=["POST"]),
            Route("/ping", self._answer_ping, methods=["GET"]),
        ]

    @asynccontextmanager
    async def lifespan(self, app: ASGIApp) -> AsyncIterator[None]:
        """Load the frameworks and the memory in a thread, while /ping is answered already."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(Threads(_THREADS))
        with detection(wanted=self._settings.detect_blocking):
            frameworks = asyncio.ensure_future(asyncio.to_thread(self._load_frameworks))
            memory = asyncio.ensure_future(asyncio.to_thread(_make_memory, self._settings))
            for loading in (frameworks, memory):
                loading.add_done_callback(self._check_loaded)
            turns = Turns(memory, self._settings)
            self.runs = Runs(self._settings, frameworks=frameworks, turns=turns)
            yield
            await self.stop()  # a server that is not ours may have left them
            frameworks.cancel()
            memory.cancel()

    def _load_frameworks(self) -> Frameworks:
        resolve_secrets(self._settings)  # a model may want one
        self._frameworks.prepare()
        return self._frameworks

    def _check_loaded(self, loading: asyncio.Future[Any]) -> None:
        error = None if loading.cancelled() else loading.exception()
        if error is not None and self.unusable is None:
            known = isinstance(error, SettingsError)
            self.unusable = str(error) if known else f"The agent cannot start: {type(error).__name__}: {error}"
            self.on_unusable()

    async def stop(self) -> None:
        """Take no more questions, and end the runs while their connections are there to tell the callers."""
        self.stopping = True
        await self.runs.end_all()

    async def _answer_ping(self, request: Request) -> JSONResponse:
        """Say whether a run is under way. The time moves only with the status, as AgentCore's idle timeout needs.

        Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-http-protocol-contract.html
        """
        status = "HealthyBusy" if self.runs.under_way else "Healthy"
        if status != self._ping[0]:
            self._ping = (status, int(time.time()))
        return JSONResponse({"status": status, "time_of_last_update": self._ping[1]})

    async def _invoke(self, request: Request) -> Response:
        """Answer one request: always with status 200, because AgentCore makes an opaque 424 of any other."""
        headers = request.headers
        record = RunRecord(session_id=headers.get(SESSION_HEADER), request_id=headers.get(REQUEST_ID_HEADER))
        try:
            # First of all, so that who goes around the API learns nothing else.
            check_origin(headers, self._settings)
            body = await _read(request, self._settings.max_body_bytes)
            caller = caller_of(headers, self._settings)
            record.session_id = caller.session_id
            if self.stopping:  # connections are still taken while the runs end
                raise AgentError(Code.INTERNAL, "The agent is being stopped; ask again in a moment.")
            if len(body) > _SMALL_BODY:
                command = await asyncio.to_thread(_parse, body, caller, self._settings)
            else:
                command = _parse(body, caller, self._settings)
            _tell_sdk(headers, caller)
            return await self._carry_out(command, caller, record)
        except ClientDisconnect:
            return Response()
        except Exception as error:  # noqa: BLE001 - the server would answer with a status
            return self._refuse(error, record)

    async def _carry_out(self, command: Command, caller: Caller, record: RunRecord) -> Response:
        extra = {SESSION_HEADER: caller.session_id} if caller.new_session else {}
        if isinstance(command, Run):
            record.run = command
            return EventStream(self.runs.ask(command, caller, record), self._headers(extra))
        if isinstance(command, Attach):
            return EventStream(await self.runs.attach(command, caller), self._headers())
        if isinstance(command, History):
            return self._told(await self.runs.history(command, caller))
        stopped = {"stopped": await self.runs.stop(command, caller)}
        if not command.stock:
            return JSONResponse(stopped, headers=self._headers())
        ids = {"thread_id": command.thread_id, "run_id": command.request_run_id}
        return self._told([encode(RunStartedEvent(**ids)), encode(RunFinishedEvent(**ids, result=stopped))])

    def _refuse(self, error: Exception, record: RunRecord) -> Response:
        reason = classify(error)
        known = isinstance(error, RefusalError)
        record.outcome = "refused" if known else "error"
        message = record.refer(reason)
        log_line(record.line(self._settings, None if known else error))
        return self._told([encode(RunErrorEvent(message=message, code=reason.code))])

    def _told(self, events: Iterable[bytes]) -> Response:
        return StreamingResponse(iter(events), media_type="text/event-stream", headers=HEADERS | self._headers())

    def _headers(self, more: dict[str, str] | None = None) -> dict[str, str]:
        # Static, because AgentCore never forwards Origin to the agent.
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
    """Return what a body asks for.

    Raises RefusalError(INVALID_INPUT) for bad UTF-8, lone surrogates, NaN, nesting deeper than 200 levels and anything
    else that is not JSON, and for what is no command.
    """
    try:
        payload = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError:
        raise bad_request("the body is not JSON in UTF-8") from None
    return command_of(payload, caller, settings)


def _tell_sdk(headers: Any, caller: Caller) -> None:
    """Set what the SDK's identity functions look for, in the context that the run's task inherits."""
    BedrockAgentCoreContext.set_request_context(caller.request_id, caller.session_id)
    if token := headers.get("WorkloadAccessToken"):
        BedrockAgentCoreContext.set_workload_access_token(token)


def _make_memory(settings: Settings) -> Memory:
    """Make what keeps the histories. Blocks: reads files, resolves credentials."""
    if settings.memory_id:
        from agent.agentcore_memory import AgentCoreMemory  # noqa: PLC0415 - loads the memory client

        return AgentCoreMemory(settings)
    return ProcessMemory(settings.max_messages)
