"""Handles one request in AgentCore's order: address, token, session, header allow-list, agent."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import unquote

import aiohttp
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from contract import ROUTE, SESSION_ID_LENGTH
from local.planes.addresses import AddressBook
from local.planes.runtime import HangUp
from local.planes.runtime.authorizer import Issuer, check_token
from local.planes.runtime.config import DEFAULT_QUALIFIER, RuntimeConfig
from local.planes.runtime.errors import RuntimeRefusedError
from local.planes.runtime.hang_up import DetachedReaders, DetachedUpstream
from local.planes.runtime.headers import ALWAYS_FORWARDED, SESSION_HEADER, may_be_forwarded
from local.planes.runtime.policy import FOR_USER, INVOKE, OPERATIONS, USER_HEADER, denies
from local.planes.runtime.sessions import Agents
from local.planes.traces import TraceFile, own_span
from local.planes.upstream import (
    Headers,
    PassingResponse,
    Upstream,
    UpstreamError,
    client_session,
    open_upstream,
    read_body,
    unless_disconnected,
)

SESSION_LENGTH = range(SESSION_ID_LENGTH[0], SESSION_ID_LENGTH[1] + 1)
PAYLOAD_LIMIT_BYTES = 100 * 1024 * 1024
HEADER_VALUE_LIMIT = 4096

_PATH = re.compile(r"/runtimes/([^/]+)/(.+)")

NOT_RUN = {
    "emulated": True,
    "message": "AgentCore would allow this operation with this token. Nothing was run here.",
}
"""The response at AgentCore's other addresses. The local run runs no command and opens no shell."""


class RuntimePlane:
    """The data plane of one runtime; an ASGI application.

    Args:
        config: the runtime, from `local.planes.runtime.config.runtime_from_graph`.
        addresses: the loopback addresses of AWS's hosts.
        agents: the agent processes of the sessions.
        traces: the file for the runtime's own spans.
        hang_up: whether a caller's hang-up reaches the agent; see `local.planes.runtime.hang_up`.
    """

    def __init__(
        self,
        config: RuntimeConfig,
        addresses: AddressBook,
        agents: Agents,
        *,
        hang_up: HangUp = "lost",
        traces: TraceFile | None = None,
    ) -> None:
        self._config = config
        self._addresses = addresses
        self._agents = agents
        self._lost = hang_up == "lost"
        self._traces = traces or TraceFile(None)
        self._detached = DetachedReaders()
        self._session: aiohttp.ClientSession
        self._issuer: Issuer | None = None

    @asynccontextmanager
    async def running(self, _app: object) -> AsyncIterator[None]:
        """The application's lifespan: holds the connections to the agent and to the user pool."""
        async with client_session() as self._session:
            if self._config.authorizer is not None:
                self._issuer = Issuer(self._config.authorizer.discovery_url, self._session, self._addresses)
            try:
                yield
            finally:
                await self._detached.close()
                await self._agents.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request, received = Request(scope, receive), time.monotonic()
        try:
            operation = self._operation(request)
            await self._authorize(request, operation)
            if operation != INVOKE:
                await JSONResponse(NOT_RUN)(scope, receive, send)
                return
            session_id = self._session_id(request)
            too_large = RuntimeRefusedError("ValidationException", "The payload is larger than 100 MB")
            body = await read_body(request, PAYLOAD_LIMIT_BYTES, too_large)
            async with self._agents.serving(session_id) as agent_url:
                took = time.monotonic() - received
                self._traces.write(own_span("AgentCore", request.headers.get("x-amzn-trace-id"), took))
                response = await self._answer(request, self._call(agent_url, request, session_id, body))
                await response(scope, receive, send)
        except RuntimeRefusedError as error:
            await error.response()(scope, receive, send)
        except ClientDisconnect:
            return

    async def _authorize(self, request: Request, operation: str) -> None:
        """Refuse a request without a valid token, and an operation that the resource policy denies to token bearers."""
        sent = request.headers.getlist("authorization")
        await check_token(self._config, self._issuer, sent[0] if len(sent) == 1 else None)
        for_another = operation == INVOKE and USER_HEADER in request.headers
        if denies(self._config.denied, FOR_USER if for_another else operation):
            raise RuntimeRefusedError("AccessDeniedException", "The resource policy denies it with an explicit deny")

    def _session_id(self, request: Request) -> str:
        self._check_qualifier(request)
        session_id = request.headers.get(SESSION_HEADER) or str(uuid.uuid4())
        if len(session_id) not in SESSION_LENGTH:
            raise RuntimeRefusedError(
                "ValidationException", "runtimeSessionId must have a length of at least 33 and at most 256"
            )
        return session_id

    async def _answer(self, request: Request, calling: Coroutine[Any, Any, PassingResponse]) -> PassingResponse:
        """The agent's response, unless the caller hangs up before it begins."""
        call = asyncio.ensure_future(calling)
        try:
            return await unless_disconnected(request.receive, asyncio.shield(call) if self._lost else call)
        except ClientDisconnect:
            if self._lost:
                self._detached.add(_discard(call))
            raise

    async def _call(self, agent_url: str, request: Request, session_id: str, body: bytes) -> PassingResponse:
        headers = [*self._forwarded(request), (SESSION_HEADER, session_id)]
        deadline = asyncio.get_running_loop().time() + self._config.stream_seconds
        url = agent_url + ROUTE
        make = partial(DetachedUpstream, detached=self._detached, deadline=deadline) if self._lost else Upstream
        try:
            async with asyncio.timeout(self._config.answer_seconds):
                upstream = await open_upstream(self._session, url, headers=headers, body=body, make=make)
        except TimeoutError as error:
            raise RuntimeRefusedError("GatewayTimeoutException", "The agent did not answer in time") from error
        except UpstreamError as error:
            raise RuntimeRefusedError(
                "RuntimeClientError", "An error occurred when starting the runtime. Check its logs."
            ) from error
        if upstream.status >= 400:
            upstream.close()
            # The agent's own message stays in its log: AgentCore shows the caller only this.
            raise RuntimeRefusedError(
                "RuntimeClientError",
                f"Received error ({upstream.status}) from runtime. Check its logs.",
                {SESSION_HEADER: session_id},
            )
        kept = [pair for pair in upstream.headers if pair[0].lower() not in ("date", "server", SESSION_HEADER)]
        return PassingResponse(
            upstream,
            upstream.chunks(),
            status=upstream.status,
            headers=[*kept, (SESSION_HEADER, session_id)],
            deadline=deadline,
        )

    def _operation(self, request: Request) -> str:
        """The requested operation, by AgentCore's name for it."""
        path: str = request.scope["raw_path"].decode("ascii")
        match = _PATH.fullmatch(path)
        if not match or match.group(2) not in {known for _, known in OPERATIONS}:
            # Not a 404: https://github.com/CopilotKit/CopilotKit/pull/6920
            raise RuntimeRefusedError("UnauthorizedException", "Missing Authentication Token")
        name = unquote(match.group(1))
        by_id = name == self._config.id and request.query_params.get("accountId") == self._config.account
        operation = OPERATIONS.get((request.method, match.group(2)))
        if operation is None or not (by_id or name == self._config.arn):
            raise RuntimeRefusedError("ResourceNotFoundException", f"No endpoint or agent found for {name!r}")
        return operation

    def _check_qualifier(self, request: Request) -> None:
        qualifier = request.query_params.get("qualifier", DEFAULT_QUALIFIER)
        if qualifier not in self._config.qualifiers:
            raise RuntimeRefusedError(
                "ResourceNotFoundException", f"No endpoint or agent found with qualifier {qualifier!r}"
            )

    def _forwarded(self, request: Request) -> Headers:
        allowed = ALWAYS_FORWARDED | {name for name in self._config.forwarded if may_be_forwarded(name)}
        headers = [
            (name, value) for name, value in request.headers.items() if name in allowed and name != SESSION_HEADER
        ]
        if any(len(value) > HEADER_VALUE_LIMIT for _, value in headers):
            raise RuntimeRefusedError("ValidationException", "A header's value is longer than 4 KB")
        return headers


async def _discard(call: asyncio.Future[PassingResponse]) -> None:
    """Wait for a response whose caller has hung up, and close it."""
    with contextlib.suppress(RuntimeRefusedError):
        (await call).close()


def create_app(
    config: RuntimeConfig,
    addresses: AddressBook,
    agents: Agents,
    *,
    hang_up: HangUp = "lost",
    traces: TraceFile | None = None,
) -> Router:
    """The runtime's data plane as an ASGI application."""
    plane = RuntimePlane(config, addresses, agents, hang_up=hang_up, traces=traces)
    return Router(default=plane, lifespan=plane.running, redirect_slashes=False)
