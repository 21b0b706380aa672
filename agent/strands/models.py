"""Creates the model that `AGENT_MODEL` names, and checks its answers.

Only the named provider is imported, so that the others cost no start-up time. For every provider, exceptions that the
model raises while it streams get a MODEL_ code, and an answer without a stop reason is a failure:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_MessageStopEvent.html.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from agent.errors import AgentError, Code, model_failures
from agent.settings import Settings, SettingsError, as_settings_error

if TYPE_CHECKING:
    from strands.models import Model
    from strands.types.streaming import StreamEvent

__all__ = ["build_model", "check_model", "watch_model"]

_MALFORMED = {"malformed_model_output", "malformed_tool_use"}


def check_model(settings: Settings) -> None:
    """Raise SettingsError when the model's provider is not installed; imports nothing."""
    provider = settings.model.partition(":")[0]
    if provider in {"ollama", "openai"} and importlib.util.find_spec(provider) is None:
        raise SettingsError(
            f"AGENT_MODEL needs the package {provider}, which is not installed: add the line `{provider}` to "
            "agent/requirements.in and run `make lock` and `make setup`."
        )


def build_model(settings: Settings) -> Model:
    """Return a new model. Blocks (botocore reads files): call it off the event loop.

    Raises SettingsError with the reason when it cannot be made.
    """
    with as_settings_error(f"The model {settings.model}"):
        model = _provider(settings)
    return watch_model(model)


def watch_model(model: Model) -> Model:
    """Wrap `model.stream` so that an incomplete answer is an error, and return `model`. A second call does nothing.

    `stream` then raises AgentError: MODEL_UNAVAILABLE when it ends without a stop reason, MODEL_OUTPUT_INVALID when the
    answer is malformed or empty, and for the provider's own exceptions the codes of `model_failures`.
    """
    if "stream" in vars(model):
        return model
    stream = model.stream

    async def watched(*args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        answer = _Answer()
        with model_failures():
            async with aclosing(cast("AsyncGenerator[StreamEvent, None]", stream(*args, **kwargs))) as events:
                async for event in events:
                    answer.read(event)
                    yield event
        answer.check()

    # Set on the instance, so that the model's class, which names its provider, does not change.
    model.stream = watched  # type: ignore[method-assign]
    return model


class _Answer:
    """Collects from the events of one answer whether it is complete."""

    def __init__(self) -> None:
        self._stop_reason: str | None = None
        self._has_content = False

    def read(self, event: StreamEvent) -> None:
        """Read one event."""
        if "contentBlockDelta" in event:
            delta = event["contentBlockDelta"]["delta"]
            self._has_content = self._has_content or "toolUse" in delta or bool((delta.get("text") or "").strip())
        elif "contentBlockStart" in event:
            self._has_content = self._has_content or bool(event["contentBlockStart"]["start"].get("toolUse"))
        elif "messageStop" in event:
            self._stop_reason = event["messageStop"]["stopReason"]
        elif "redactContent" in event:
            self._has_content = True  # a guardrail replaced the answer with its own text

    def check(self) -> None:
        """Raise AgentError unless the answer is complete; Strands would accept half of one."""
        if self._stop_reason is None:
            raise AgentError(Code.MODEL_UNAVAILABLE, "The model's answer broke off before its end; ask again.")
        if self._stop_reason in _MALFORMED:
            raise AgentError(Code.MODEL_OUTPUT_INVALID, "The model's answer is malformed; ask again.")
        if not self._has_content:
            raise AgentError(Code.MODEL_OUTPUT_INVALID, "The model gave an empty answer; ask again.")


def _provider(settings: Settings) -> Model:
    provider, _, name = settings.model.partition(":")
    if provider == "bedrock":
        from agent.strands.bedrock import BedrockModel  # noqa: PLC0415

        return BedrockModel.from_settings(name, settings)
    if provider == "ollama":
        from agent.strands.ollama import OllamaModel  # noqa: PLC0415

        return OllamaModel.from_settings(name, settings)
    if provider == "openai":
        from agent.strands.openai import OpenAIModel  # noqa: PLC0415

        return OpenAIModel.from_settings(name, settings)
    try:
        # The scripted model is for local runs and tests. It is not in the package, so it is imported by name.
        scripted = importlib.import_module("local.doubles.scripted")
    except ModuleNotFoundError:
        raise SettingsError(
            "AGENT_MODEL=scripted is for local runs and is not in the deployed package: name a real model."
        ) from None
    model: Model = scripted.ScriptedModel()
    return model
