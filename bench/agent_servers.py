"""The same Strands agent behind two entry points: ``python -m bench.agent_servers ours|yield PORT``.

``yield`` is the SDK's own streaming path, as its documentation shows it: an async generator that yields what Strands
streams, served by the SDK with the faster of uvicorn's parsers, which is installed here. ``ours`` is this project's,
served as the deployed one is. ``GET /ended?prompt=...`` waits until the model has ended its answer to a prompt,
and returns the time, or null if that takes too long.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from bedrock_agentcore.runtime import BedrockAgentCoreApp
from starlette.requests import Request
from starlette.responses import JSONResponse
from strands.types.content import Messages
from strands.types.streaming import StreamEvent

from agent.app import create_app
from agent.server import configuration
from agent.settings import Settings
from local import LOOPBACK
from local.doubles.scripted import ScriptedModel

PATIENCE_SECONDS = 6.0
"""The longest wait for the end of an answer."""

SETTINGS = Settings(model="scripted", require_user=False, session_from="header", detached_seconds=0)

_ends: dict[str, float] = {}
"""When the model ended its answer to each prompt, on the monotonic clock, which all processes of a machine share."""


def record_ends() -> None:
    """Patch the scripted model to record when an answer ends, however it ends."""
    stream = ScriptedModel.stream

    async def watched(self: ScriptedModel, messages: Messages, *args: Any, **kwargs: Any) -> AsyncIterator[StreamEvent]:
        try:
            async for event in stream(self, messages, *args, **kwargs):
                yield event
        finally:
            _ends[messages[-1]["content"][0]["text"]] = time.monotonic()

    ScriptedModel.stream = watched  # type: ignore[method-assign]


async def ended(request: Request) -> JSONResponse:
    """Wait for the end of an answer."""
    prompt = request.query_params["prompt"]
    waited_since = time.monotonic()
    while prompt not in _ends and time.monotonic() - waited_since < PATIENCE_SECONDS:
        await asyncio.sleep(0.01)
    return JSONResponse(_ends.get(prompt))


def yielding() -> BedrockAgentCoreApp:
    """The agent behind the SDK's own entry point."""
    from strands import Agent  # noqa: PLC0415 - only this side needs it here

    app = BedrockAgentCoreApp()
    model = ScriptedModel()

    @app.entrypoint
    async def invoke(payload: dict[str, Any]) -> AsyncIterator[Any]:
        agent = Agent(model=model, callback_handler=None, system_prompt="Answer.")
        async for event in agent.stream_async(payload["prompt"]):
            if "event" in event:
                yield event["event"]

    return app


def ours() -> BedrockAgentCoreApp:
    """The agent behind this project's entry point."""
    return create_app(SETTINGS)


def application(which: str) -> BedrockAgentCoreApp:
    """One of the two, with the ends of its model's answers recorded."""
    record_ends()
    app = {"ours": ours, "yield": yielding}[which]()
    app.add_route("/ended", ended)
    return app


def serve(which: str, port: int) -> None:
    """Serve one of the two until stopped."""
    if which == "ours":
        settings = SETTINGS.model_copy(update={"port": port})
        uvicorn.Server(configuration(application(which), settings)).run()
    else:
        application(which).run(port=port, host=LOOPBACK, access_log=False)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
