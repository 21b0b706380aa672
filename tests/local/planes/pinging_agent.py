"""An agent for the reaper's tests: it answers for as long as it is asked to, and its ping says what PING tells it.

``healthy``: always idle. ``busy``: truly busy while it answers. ``moving``: idle, with a time that moves at every ping.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from itertools import count

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

KIND = os.environ["PING"]
STARTED = int(time.time())
_moving = count(STARTED)
_answering = 0


async def ping(_: Request) -> Response:
    """What AgentCore goes by."""
    status = "HealthyBusy" if KIND == "busy" and _answering else "Healthy"
    return JSONResponse({"status": status, "time_of_last_update": next(_moving) if KIND == "moving" else STARTED})


async def invocations(request: Request) -> Response:
    """An event at once, and the last after so many seconds."""
    seconds = float((await request.json())["seconds"])

    async def chunks() -> AsyncIterator[bytes]:
        global _answering  # noqa: PLW0603 - one process, one event loop
        _answering += 1
        try:
            yield b"data: begun\n\n"
            await asyncio.sleep(seconds)
            yield b"data: done\n\n"
        finally:
            _answering -= 1

    return StreamingResponse(chunks(), media_type="text/event-stream")


if __name__ == "__main__":
    routes = [Route("/ping", ping), Route("/invocations", invocations, methods=["POST"])]
    uvicorn.run(
        Starlette(routes=routes),
        port=int(os.environ["AGENT_PORT"]),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=0,  # an answer is cut at SIGTERM, and nobody waits for a SIGKILL
    )
