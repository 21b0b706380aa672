"""The agent with a mistake in it, for the doctor to find: ``AGENT_FAULT`` names the mistake.

Each is made where an agent's author would make it: in `build_agent`, or in whose a session is.
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
    """Waits as a script would: with `time.sleep`, and nothing else runs meanwhile."""
    script = Script.of(run.prompt)
    for number, word in enumerate(script.answer()):
        time.sleep(script.pause_before(number, word))  # noqa: ASYNC251 - the mistake
        yield f"{word} "


async def agent_that_runs_on(run: Run, *_: Any) -> AsyncGenerator[str, None]:
    """Means well, and finishes its work whoever has left."""
    script = Script.of(run.prompt)
    left = False
    for number, word in enumerate(script.answer()):
        try:
            await asyncio.sleep(script.pause_before(number, word))
            if not left:
                yield f"{word} "
        except (asyncio.CancelledError, GeneratorExit):
            left = True


def share_sessions() -> None:
    """Let every session belong to everybody."""

    def to_everybody(self: Sessions, caller: Caller) -> None:
        del self, caller

    Sessions.claim = Sessions.check = to_everybody  # type: ignore[method-assign] # the mistake


def lose_an_event() -> None:
    """Keep every event of a run but the fourth."""
    append = EventLog.append

    def all_but_one(self: EventLog, event: BaseEvent) -> int:
        grown = append(self, event)
        if self.last == 4:
            self._events[-1] = b""  # the mistake
        return grown

    EventLog.append = all_but_one  # type: ignore[method-assign]


def ping_as(status: str | None) -> None:
    """Answer /ping with one status always, or with a time that always moves."""

    async def answer(self: Service, request: Request) -> JSONResponse:
        said = json.loads(bytes((await right(self, request)).body))
        return JSONResponse({**said, **({"status": status} if status else {"time_of_last_update": time.time()})})

    right = Service._answer_ping
    Service._answer_ping = answer  # type: ignore[method-assign]


def ignore_stop() -> None:
    """Say that a run was stopped, and let it go on."""

    async def stop(self: Runs, asked: Stop, caller: Caller) -> bool:
        del self, asked, caller
        return True

    Runs.stop = stop  # type: ignore[method-assign] # the mistake


BROKEN: Mapping[str, Callable[[], None]] = {
    "sessions-shared": share_sessions,
    "event-lost": lose_an_event,
    "stop-ignored": ignore_stop,
    "always-idle": lambda: ping_as("Healthy"),
    "ping-moves": lambda: ping_as(None),
}

AGENTS: Mapping[str, BuildAgent | None] = {
    "blocking": blocking_agent,
    "runs-on": agent_that_runs_on,
    **dict.fromkeys(BROKEN),
    "cors-twice": None,
}
"""None: the agent itself is as it was."""


def naming_the_origin_again(app: ASGIApp, origin: str) -> ASGIApp:
    """The same application behind something that names the page's origin too, as AgentCore may."""

    async def named_again(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = (b"access-control-allow-origin", origin.encode())
                message = {**message, "headers": [*message["headers"], named]}
            await send(message)

        await app(scope, receive, sent)

    return named_again


def main() -> None:
    """Serve with the mistake that ``AGENT_FAULT`` names."""
    name = os.environ.get("AGENT_FAULT", "")
    if name not in AGENTS:
        sys.exit(f"AGENT_FAULT is {name!r}, and the mistakes there are: {', '.join(AGENTS)}.")
    BROKEN.get(name, lambda: None)()
    settings = Settings.from_environment(os.environ)
    app: ASGIApp = create_app(settings, AGENTS[name])
    if name == "cors-twice":
        app = naming_the_origin_again(app, settings.allowed_origin or "")
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
