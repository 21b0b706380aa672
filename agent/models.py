"""Which model the agent runs on: `AGENT_MODEL` decides.

Each provider is imported only when it is the one, so that the others cost no start-up time. Whichever it is, what
it raises while it streams is told apart here from what the rest of an agent raises.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from agent.errors import model_failures
from agent.settings import Settings, SettingsError, making

if TYPE_CHECKING:
    from strands.models import Model
    from strands.types.streaming import StreamEvent

__all__ = ["build_model", "check_model"]


def check_model(settings: Settings) -> None:
    """Raise SettingsError when the model's provider is not installed; costs no import."""
    if settings.model.startswith("ollama:") and importlib.util.find_spec("ollama") is None:
        raise SettingsError("AGENT_MODEL asks for Ollama, whose client is missing: run pip install ollama.")


def build_model(settings: Settings) -> Model:
    """Return the model, made once per process. Blocks (botocore reads files): call it off the event loop.

    Raises SettingsError with the reason when it cannot be made.
    """
    with making(f"The model {settings.model}"):
        model = _provider(settings)
    stream = model.stream

    async def telling(*args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        with model_failures():
            async with aclosing(cast("AsyncGenerator[StreamEvent, None]", stream(*args, **kwargs))) as events:
                async for event in events:
                    yield event

    # Of this one model, not of its class: code that asks which provider it is still gets the right answer.
    model.stream = telling  # type: ignore[method-assign]
    return model


def _provider(settings: Settings) -> Model:
    provider, _, name = settings.model.partition(":")
    if provider == "bedrock":
        from agent.bedrock import BedrockModel  # noqa: PLC0415

        return BedrockModel.from_settings(name, settings)
    if provider == "ollama":
        from strands.models.ollama import OllamaModel  # noqa: PLC0415

        return OllamaModel(None, model_id=name, max_tokens=settings.max_tokens)
    from agent.scripted import ScriptedModel  # noqa: PLC0415

    return ScriptedModel()
