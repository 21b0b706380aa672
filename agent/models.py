"""Which model the agent runs on: `AGENT_MODEL` decides.

Each provider is imported only when it is the one, so that the others cost no start-up time.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from agent.settings import Settings, SettingsError

if TYPE_CHECKING:
    from strands.models import Model

__all__ = ["build_model", "check_model"]


def check_model(settings: Settings) -> None:
    """Raise SettingsError when the model's provider is not installed; costs no import."""
    if settings.model.startswith("ollama:") and importlib.util.find_spec("ollama") is None:
        raise SettingsError("AGENT_MODEL asks for Ollama, whose client is missing: run pip install ollama.")


def build_model(settings: Settings) -> Model:
    """Return the model, made once per process. Blocks (botocore reads files): call it off the event loop."""
    provider, _, name = settings.model.partition(":")
    if provider == "bedrock":
        from agent.bedrock import BedrockModel  # noqa: PLC0415

        return BedrockModel.from_settings(name, settings)
    if provider == "ollama":
        from strands.models.ollama import OllamaModel  # noqa: PLC0415

        return OllamaModel(None, model_id=name, max_tokens=settings.max_tokens)
    from agent.scripted import ScriptedModel  # noqa: PLC0415

    return ScriptedModel()
