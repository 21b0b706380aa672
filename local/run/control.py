"""The switches of a local run, for the page's inspector: break and mend the chain, ask the doctor, read the access log.

Served by the process that holds the chain up, on a loopback port of its own, for the gateway itself is restarted by a
switch. Only the chat page's scripts get through: a request must come to this address, which no rebound name is, and
from the page's origin, which no other page can claim.
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
    """What the inspector may do to a chain that is up.

    Args:
        chain: what is up.
        restarted: called after each restart: process ids have changed.
    """

    def __init__(self, chain: Chain, restarted: Callable[[], None]) -> None:
        self._chain = chain
        self._restarted = restarted
        self._examining = asyncio.Lock()
        origin = chain.page_address.rstrip("/")
        self.app = Starlette(
            routes=[
                Route("/state", self._state),
                Route("/fault", self._break, methods=["POST"]),
                Route("/doctor", self._examine, methods=["POST"]),
                Route("/requests/{id}", self._request),
            ],
            middleware=[
                Middleware(OnlyThePage, host=chain.services.url("control").partition("//")[2], origin=origin),
                Middleware(
                    CORSMiddleware, allow_origins=[origin], allow_methods=["POST"], allow_headers=["Content-Type"]
                ),
            ],
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen inside the block."""
        # Without a lifespan, which the app does not need: one that a forced exit leaves ends in a traceback.
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
        """Serve the chain with one fault, or sound again for the name ``""``."""
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

    async def _examine(self, _request: Request) -> Response:
        """What the doctor looks at and finds, a line of JSON for each as it comes."""
        if self._examining.locked():  # two at once would throttle each other
            return JSONResponse({"message": "The doctor is busy for another tab: ask when it has finished."}, 409)
        return StreamingResponse(self._examination(), media_type="application/x-ndjson")

    async def _examination(self) -> AsyncIterator[str]:
        async with self._examining, contextlib.aclosing(examine(self._chain.folder / "outputs.json")) as news:
            try:
                async for one in news:
                    yield f"{json.dumps(one)}\n"
            except ClientError as error:
                yield f"{json.dumps({'message': str(error)})}\n"

    async def _request(self, request: Request) -> JSONResponse:
        """The access log's line of a request, once its answer is over."""
        path = self._chain.folder / "logs" / "access.log"
        line = await asyncio.to_thread(find_line, path, request.path_params["id"])
        return JSONResponse(line) if line else JSONResponse({"message": "The log has no such request yet."}, 404)


class OnlyThePage:
    """Refuses what does not come from the page: another site, or a name that was rebound to loopback."""

    def __init__(self, app: ASGIApp, *, host: str, origin: str) -> None:
        self._app = app
        self._expected = [(b"host", host.encode()), (b"origin", origin.encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            sent = [pair for pair in scope["headers"] if pair[0] in (b"host", b"origin")]
            if sorted(sent) != self._expected:
                await JSONResponse({"message": "Only the chat page may ask."}, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Server(uvicorn.Server):
    """A server beside other work: signals are for the whole process to handle."""

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
        with contextlib.suppress(ValueError):  # the first may be half a line
            line = json.loads(text)
            if isinstance(line, dict) and line.get("requestId") == request_id:
                return line
    return None
