"""Plays a Strands agent: one question through `Agent.stream_async`, its events as AG-UI events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from ag_ui.core import BaseEvent
from strands import Agent
from strands.handlers import PrintingCallbackHandler, null_callback_handler
from strands.models import Model
from strands.types.content import ContentBlock
from strands.types.exceptions import MaxTokensReachedException

from agent.settings import Settings
from agent.strands.events import Translation
from agent.strands.messages import blocks_of, history_of, is_whole
from agent.strands.models import build_model, watch_model
from agent.strands.scripted import ScriptedModel, wait
from agent.strands.tools import watch_tools
from agent.turn import Turn

__all__ = ["Adapter"]


class Adapter:
    """Plays agents of the class `strands.Agent`, and gives `build_agent` a `model` and a `history`."""

    name = "strands"

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._model: Model | None = None

    def prepare(self, settings: Settings) -> None:
        """Make the model. Blocks. Raises SettingsError when it cannot be made."""
        self._settings, self._model = settings, build_model(settings)

    def arguments(self, turn: Turn) -> dict[str, Any]:
        """Return the process's model and the thread's messages, a copy that is the author's own."""
        return {"model": self._model, "history": history_of(turn.history)}

    async def play(self, built: Agent, turn: Turn) -> AsyncGenerator[BaseEvent, None]:
        """Yield the events of one run of the agent `built`."""
        asked = [block for message in turn.run.input for block in blocks_of(_json(message))]
        translation = Translation(asked)
        async with aclosing(self._stream(built, asked, translation)) as events:
            try:
                async for event in events:
                    yield event
            finally:  # a run that fails or is stopped has cost its tokens too
                model = self._settings.model if self._settings else ""
                turn.usage, turn.stop_reason = translation.usage(model), translation.stop_reason
        for event in translation.end():
            yield event
        turn.native = list(translation.messages)
        if turn.stop_reason == "guardrail_intervened":
            turn.not_kept = "a guardrail stopped it"
        elif not is_whole(translation.messages):
            turn.not_kept = "it is not whole"

    async def _stream(
        self, agent: Agent, asked: list[ContentBlock], translation: Translation
    ) -> AsyncGenerator[BaseEvent, None]:
        watch_model(agent.model)
        watch_tools(agent, translation.broken_calls)
        if isinstance(agent.callback_handler, PrintingCallbackHandler):
            agent.callback_handler = null_callback_handler  # it would print every word, blocking, to the log
        if isinstance(agent.model, ScriptedModel) and wait.tool_name not in agent.tool_registry.registry:
            agent.tool_registry.process_tools([wait])
        stream = cast("AsyncGenerator[dict[str, Any], None]", agent.stream_async(asked))
        async with aclosing(stream):
            try:
                async for raw in stream:
                    for event in translation.read(raw):
                        yield event
            except MaxTokensReachedException:
                # Every word has been delivered; that there are no more is the operator's limit, not a failure.
                translation.cut("max_tokens")


def _json(message: Any) -> dict[str, Any]:
    return dict(message.model_dump(mode="json", by_alias=True, exclude_none=True))
