"""Which model the agent runs on: `AGENT_MODEL` decides.

Each provider is imported only when it is the one, so that the others cost no start-up time. Whichever it is, what
it raises while it streams is told apart here from what the rest of an agent raises, and an answer that it did not
finish is a failure: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_MessageStopEvent.html.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from agent.errors import AgentError, Code, model_failures
from agent.settings import Settings, SettingsError, making

if TYPE_CHECKING:
    from strands.models import Model
    from strands.types.streaming import StreamEvent

__all__ = ["build_model", "check_model", "watch_model"]

_MALFORMED = {"malformed_model_output", "malformed_tool_use"}


def check_model(settings: Settings) -> None:
    """Raise SettingsError when the model's provider is not installed; costs no import."""
    provider = settings.model.partition(":")[0]
    if provider in {"ollama", "openai"} and importlib.util.find_spec(provider) is None:
        raise SettingsError(
            f"AGENT_MODEL asks for {provider}, whose client is missing: add the line `{provider}` to "
            "agent/requirements.in and run `make lock` and `make setup`."
        )


def build_model(settings: Settings) -> Model:
    """Return the model, made once per process. Blocks (botocore reads files): call it off the event loop.

    Raises SettingsError with the reason when it cannot be made.
    """
    with making(f"The model {settings.model}"):
        model = _provider(settings)
    return watch_model(model)


def watch_model(model: Model) -> Model:
    """Return `model` itself, whose answers are from now on whole ones or an error. Does nothing the second time.

    Its `stream` raises AgentError: MODEL_UNAVAILABLE when it ends without a stop reason, MODEL_OUTPUT_INVALID when the
    answer is malformed or empty, and what `model_failures` makes of the provider's own exceptions.
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

    # Of this one model, not of its class: code that asks which provider it is still gets the right answer.
    model.stream = watched  # type: ignore[method-assign]
    return model


class _Answer:
    """What is known about one answer of a model when its stream has ended."""

    def __init__(self) -> None:
        self._stop_reason: str | None = None
        self._has_content = False

    def read(self, event: StreamEvent) -> None:
        """Take note of one event."""
        if "contentBlockDelta" in event:
            delta = event["contentBlockDelta"]["delta"]
            self._has_content = self._has_content or "toolUse" in delta or bool((delta.get("text") or "").strip())
        elif "contentBlockStart" in event:
            self._has_content = self._has_content or bool(event["contentBlockStart"]["start"].get("toolUse"))
        elif "messageStop" in event:
            self._stop_reason = event["messageStop"]["stopReason"]
        elif "redactContent" in event:
            self._has_content = True  # a guardrail has put its own text in place of the answer

    def check(self) -> None:
        """Raise AgentError unless the answer is one. Strands would take half of it for the whole."""
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
        # Prepared words for local runs and tests: no part of the package, so it is asked for by name alone.
        scripted = importlib.import_module("local.doubles.scripted")
    except ModuleNotFoundError:
        raise SettingsError(
            "AGENT_MODEL=scripted is for local runs and is not in the deployed package: name a real model."
        ) from None
    model: Model = scripted.ScriptedModel()
    return model
