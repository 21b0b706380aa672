"""The control API of a local run, for the page's inspector: misconfigurations, the doctor, the access log.

Served by the supervising process on a loopback port of its own, because a misconfiguration restarts the gateway. Only
the chat page's scripts are answered: the Host header must be this address, which excludes DNS rebinding, and the Origin
header the page's origin, which no other page can send.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from client.doctor.local_deployment import last_lines
from client.errors import ClientError
from local.planes.serving import server_config
from local.program.graph import ProgramError
from local.run.chain import Chain
from local.run.examination import examine
from local.run.misconfigurations import AS_DECLARED, MISCONFIGURATIONS, listing


class Control:
    """The routes of the control API.

    Args:
        chain: the running chain.
        restarted: called after each restart, because process ids have changed.
    """

    def __init__(self, chain: Chain, restarted: Callable[[], None]) -> None:
        self._chain = chain
        self._restarted = restarted
        self._doctor_lock = asyncio.Lock()
        origin = chain.page_address.rstrip("/")
        self.app = Starlette(
            routes=[
                Route("/state", self._state),
                Route("/fault", self._break, methods=["POST"]),
                Route("/doctor", self._doctor, methods=["POST"]),
                Route("/requests/{id}", self._request),
            ],
            middleware=[
                Middleware(PageOnlyMiddleware, host=chain.services.url("control").partition("//")[2], origin=origin),
                Middleware(
                    CORSMiddleware, allow_origins=[origin], allow_methods=["POST"], allow_headers=["Content-Type"]
                ),
            ],
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve inside the block."""
        # Without a lifespan, which the app does not need: a forced exit would end it with a traceback.
        server = _Server(server_config(self.app, self._chain.services.ports["control"], lifespan="off"))
        task = asyncio.create_task(server.serve())
        try:
            yield
        finally:
            server.should_exit = server.force_exit = True
            await task

    async def _state(self, _request: Request) -> JSONResponse:
        return JSONResponse({"fault": self._chain.options.broken.name, "faults": listing()})

    async def _break(self, request: Request) -> JSONResponse:
        """Serve the chain with one fault, or with none for the name ``""``."""
        name = (await request.json()).get("name")
        broken = MISCONFIGURATIONS.get(name) if name else AS_DECLARED
        if broken is None:
            return JSONResponse({"message": f"There is no fault {name!r}."}, 404)
        try:
            await self._chain.break_with(broken)
        except ProgramError as error:
            return JSONResponse({"message": str(error)}, 409)
        finally:
            self._restarted()
        return await self._state(request)

    async def _doctor(self, _request: Request) -> Response:
        """Run the doctor, and stream a line of JSON for each check that starts and each result."""
        if self._doctor_lock.locked():  # two at once would throttle each other
            return JSONResponse({"message": "The doctor is busy for another tab: try again when it has finished."}, 409)
        return StreamingResponse(self._doctor_lines(), media_type="application/x-ndjson")

    async def _doctor_lines(self) -> AsyncIterator[str]:
        async with self._doctor_lock, contextlib.aclosing(examine(self._chain.folder / "outputs.json")) as events:
            try:
                async for event in events:
                    yield f"{json.dumps(event)}\n"
            except ClientError as error:
                yield f"{json.dumps({'message': str(error)})}\n"

    async def _request(self, request: Request) -> JSONResponse:
        """The access log's line of a request, once its response has ended."""
        path = self._chain.folder / "logs" / "access.log"
        line = await asyncio.to_thread(find_line, path, request.path_params["id"])
        return JSONResponse(line) if line else JSONResponse({"message": "The log has no such request yet."}, 404)


class PageOnlyMiddleware:
    """Middleware that refuses requests from other sites, and to host names that were rebound to loopback."""

    def __init__(self, app: ASGIApp, *, host: str, origin: str) -> None:
        self._app = app
        self._expected = [(b"host", host.encode()), (b"origin", origin.encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            sent = [pair for pair in scope["headers"] if pair[0] in (b"host", b"origin")]
            if sorted(sent) != self._expected:
                await JSONResponse({"message": "Only the chat page may call this."}, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Server(uvicorn.Server):
    """A server that leaves signals to the process's own handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def find_line(path: Path, request_id: str) -> dict[str, Any] | None:
    """The line of the access log that has this request id; None where there is none."""
    try:
        lines = last_lines(path)
    except OSError:
        return None
    for text in reversed(lines):
        with contextlib.suppress(ValueError):  # the first line may be incomplete
            line = json.loads(text)
            if isinstance(line, dict) and line.get("requestId") == request_id:
                return line
    return None
