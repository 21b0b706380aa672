"""The agent with a deliberate fault, which the doctor must find: ``AGENT_FAULT`` names the fault.

The faults are in `build_agent`, or in the agent server's sessions, event log, pings, stops and headers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import uvicorn
from ag_ui.core import BaseEvent
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.app import Service, create_app
from agent.caller import Caller
from agent.eventlog import EventLog
from agent.framework import BuildAgent
from agent.request import Run, Stop
from agent.runs import Runs
from agent.sessions import Sessions
from agent.settings import Settings
from local.doubles.scripted import Script


async def blocking_agent(run: Run, *_: Any) -> AsyncGenerator[str, None]:
    """Waits with `time.sleep`, which blocks the event loop."""
    script = Script.of(run.prompt)
    for number, word in enumerate(script.answer()):
        time.sleep(script.pause_before(number, word))  # noqa: ASYNC251 - the fault
        yield f"{word} "


async def agent_that_runs_on(run: Run, *_: Any) -> AsyncGenerator[str, None]:
    """Catches its cancellation, and goes on to the end of its answer without a reader."""
    script = Script.of(run.prompt)
    cancelled = False
    for number, word in enumerate(script.answer()):
        try:
            await asyncio.sleep(script.pause_before(number, word))
            if not cancelled:
                yield f"{word} "
        except (asyncio.CancelledError, GeneratorExit):
            cancelled = True


def share_sessions() -> None:
    """Let any user use any session."""

    def allow_anyone(self: Sessions, caller: Caller) -> None:
        del self, caller

    Sessions.claim = Sessions.check = allow_anyone  # type: ignore[method-assign] # the fault


def lose_an_event() -> None:
    """Drop the fourth event of every run."""
    append = EventLog.append

    def all_but_one(self: EventLog, event: BaseEvent) -> int:
        grown = append(self, event)
        if self.last == 4:
            self._events[-1] = b""  # the fault
        return grown

    EventLog.append = all_but_one  # type: ignore[method-assign]


def ping_as(status: str | None) -> None:
    """Answer /ping with this status always; without one, with a `time_of_last_update` that moves at every ping."""

    async def answer(self: Service, request: Request) -> JSONResponse:
        content = json.loads(bytes((await original(self, request)).body))
        return JSONResponse({**content, **({"status": status} if status else {"time_of_last_update": time.time()})})

    original = Service._answer_ping
    Service._answer_ping = answer  # type: ignore[method-assign]


def ignore_stop() -> None:
    """Answer that the run was stopped, and let it go on."""

    async def stop(self: Runs, asked: Stop, caller: Caller) -> bool:
        del self, asked, caller
        return True

    Runs.stop = stop  # type: ignore[method-assign] # the fault


PATCHES: Mapping[str, Callable[[], None]] = {
    "sessions-shared": share_sessions,
    "event-lost": lose_an_event,
    "stop-ignored": ignore_stop,
    "always-idle": lambda: ping_as("Healthy"),
    "ping-moves": lambda: ping_as(None),
}

AGENTS: Mapping[str, BuildAgent | None] = {
    "blocking": blocking_agent,
    "runs-on": agent_that_runs_on,
    **dict.fromkeys(PATCHES),
    "cors-twice": None,
}
"""By the name of the fault; None keeps the agent of ``AGENT_MODULE``."""


def with_second_origin_header(app: ASGIApp, origin: str) -> ASGIApp:
    """The same application with a second CORS origin header on each response, as AgentCore may add one."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                header = (b"access-control-allow-origin", origin.encode())
                message = {**message, "headers": [*message["headers"], header]}
            await send(message)

        await app(scope, receive, send_with_header)

    return wrapped


def main() -> None:
    """Serve with the fault that ``AGENT_FAULT`` names."""
    name = os.environ.get("AGENT_FAULT", "")
    if name not in AGENTS:
        sys.exit(f"AGENT_FAULT is {name!r}, which is not a fault: set it to one of {', '.join(AGENTS)}.")
    PATCHES.get(name, lambda: None)()
    settings = Settings.from_environment(os.environ)
    app: ASGIApp = create_app(settings, AGENTS[name])
    if name == "cors-twice":
        app = with_second_origin_header(app, settings.allowed_origin or "")
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
