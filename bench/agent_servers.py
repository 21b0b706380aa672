"""The same Strands agent behind two entry points: ``python -m bench.agent_servers ours|yield PORT``.

``yield`` is the SDK's own streaming path, as its documentation shows it: an async generator that yields what Strands
streams. ``ours`` is this project's.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

from bedrock_agentcore.runtime import BedrockAgentCoreApp

from agent.agent import build_agent
from agent.app import create_app
from agent.scripted import ScriptedModel
from agent.settings import Settings


def yielding() -> BedrockAgentCoreApp:
    """The SDK's own way."""
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
    """This project's way."""
    settings = Settings(model="scripted", require_user=False)
    return create_app(settings, build_agent)


if __name__ == "__main__":
    which, port = sys.argv[1:]
    {"ours": ours, "yield": yielding}[which]().run(port=int(port), host="127.0.0.1", access_log=False)
