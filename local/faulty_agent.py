"""The agent with a mistake in it, for the doctor to find: ``AGENT_FAULT`` names the mistake.

Each is made where an agent's author would make it: in `agent.agent.build_agent`, or in whose a session is.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.agent import build_agent
from agent.app import create_app
from agent.caller import Caller
from agent.framework import BuildAgent
from agent.request import Run
from agent.sessions import Sessions
from agent.settings import Settings
from agent.strands.scripted import Script


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


AGENTS: Mapping[str, BuildAgent] = {
    "blocking": blocking_agent,
    "runs-on": agent_that_runs_on,
    "sessions-shared": build_agent,
    "cors-twice": build_agent,
}


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
    if name == "sessions-shared":
        share_sessions()
    settings = Settings.from_environment(os.environ)
    app: ASGIApp = create_app(settings, AGENTS[name])
    if name == "cors-twice":
        app = naming_the_origin_again(app, settings.allowed_origin or "")
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
