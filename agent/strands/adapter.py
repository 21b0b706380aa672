"""Runs a Strands agent: one question through `Agent.stream_async`, with its events as AG-UI events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from ag_ui.core import BaseEvent
from strands import Agent
from strands.handlers import PrintingCallbackHandler, null_callback_handler
from strands.models import Model
from strands.types.content import ContentBlock
from strands.types.exceptions import MaxTokensReachedException
from strands.types.session import encode_bytes_values

from agent.errors import bad_request
from agent.settings import Settings
from agent.strands.events import Translation
from agent.strands.interrupts import interrupts_of, resume, snapshot_of
from agent.strands.media import check_media, without_media
from agent.strands.messages import blocks_of, history_of, is_complete, open_calls
from agent.strands.models import build_model, watch_model
from agent.strands.page_tools import add_page_tools
from agent.strands.tools import watch_tools
from agent.telemetry import error_fields, log_line
from agent.turn import Turn

__all__ = ["Adapter"]


class Adapter:
    """Runs agents of the class `strands.Agent`; supplies `build_agent` with `model` and `history`."""

    name = "strands"

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._model: Model | None = None

    def prepare(self, settings: Settings) -> None:
        """Make the model. Blocks. Raises SettingsError when it cannot be made."""
        self._settings, self._model = settings, build_model(settings)

    def arguments(self, turn: Turn) -> dict[str, Any]:
        """Return the process's model, and a copy of the thread's messages, which the author may change."""
        return {"model": self._model, "history": history_of(turn.history)}

    async def run(self, built: Agent, turn: Turn) -> AsyncGenerator[BaseEvent, None]:
        """Yield the events of one run of the agent `built`, and then close its resources, such as an MCP server."""
        try:
            async with aclosing(self._run(built, turn)) as events:
                async for event in events:
                    yield event
        finally:
            # In a thread that is not awaited, because cleanup waits for the server to exit. Without this call, the
            # agent's finalizer would do the same on the event loop.
            asyncio.get_running_loop().run_in_executor(None, _clean_up, built)

    async def _run(self, built: Agent, turn: Turn) -> AsyncGenerator[BaseEvent, None]:
        if self._settings is None:
            raise RuntimeError("prepare() comes before run()")
        messages = turn.run.input_json
        check_media(built.model, [part for message in messages for part in _parts(message)])
        asked = [block for message in messages for block in blocks_of(message)]
        translation = Translation(asked)
        prompt = _prompt(built, turn, asked)
        async with aclosing(self._stream(built, prompt, translation, turn, self._settings)) as events:
            try:
                async for event in events:
                    yield event
            finally:  # a failed or stopped run used tokens too
                turn.usage, turn.stop_reason = translation.usage(self._settings.model), translation.stop_reason
        for event in translation.end():
            yield event
        _leave(built, turn, translation, self._settings)

    async def _stream(
        self, agent: Agent, prompt: list[Any], translation: Translation, turn: Turn, settings: Settings
    ) -> AsyncGenerator[BaseEvent, None]:
        watch_model(agent.model)
        watch_tools(
            agent, translation.broken_calls, strict=bool(self._settings and self._settings.tool_errors == "run")
        )
        if isinstance(agent.callback_handler, PrintingCallbackHandler):
            agent.callback_handler = null_callback_handler  # it would print the answer to the log, blocking the loop
        for brought in getattr(agent.model, "brings_tools", ()):
            if brought.tool_name not in agent.tool_registry.registry:
                agent.tool_registry.process_tools([brought])
        add_page_tools(agent, turn.run.tools, translation.page_calls)
        stream = cast("AsyncGenerator[dict[str, Any], None]", agent.stream_async(prompt))
        async with aclosing(stream):
            try:
                async for raw in stream:
                    for event in translation.read(raw):
                        yield event
            except MaxTokensReachedException:
                # The answer reached the operator's limit AGENT_MAX_TOKENS: all of its text was delivered, so it is not
                # a failure.
                translation.cut("max_tokens")


def _clean_up(agent: Agent) -> None:
    try:
        agent.cleanup()
    except Exception as error:  # noqa: BLE001 - the answer is not affected
        log_line({"message": "a tool provider could not be closed", "level": "WARNING", **error_fields(error)})


def _prompt(agent: Agent, turn: Turn, asked: list[ContentBlock]) -> list[Any]:
    """Return the agent's prompt; restores the agent's state first if the run resumes an interrupt."""
    if turn.run.resume:
        if asked:
            raise bad_request("send resume without a message beside it")
        snapshot = turn.pending.snapshot if turn.pending else None
        if snapshot is None:
            raise bad_request("the agent's state at this interrupt was not stored")
        return resume(agent, snapshot, turn.run.resume)
    messages = agent.messages
    if messages and messages[-1]["role"] == "user" and open_calls(messages):
        # Models require the results of all calls of a message together: those of the agent's own tools, and the page's.
        return [*messages.pop()["content"], *asked]
    return list(asked)


def _leave(agent: Agent, turn: Turn, translation: Translation, settings: Settings) -> None:
    """Set the run's results on `turn`."""
    pending = frozenset(translation.page_calls)
    if translation.interrupts:
        turn.interrupts = interrupts_of(translation.interrupts)
        turn.snapshot = snapshot_of(agent)
        pending = frozenset(open_calls(translation.messages))
    kept = translation.messages if settings.keep_media == "keep" else without_media(translation.messages)
    turn.native = encode_bytes_values(list(kept))
    if turn.stop_reason == "guardrail_intervened":
        turn.not_saved = "a guardrail intervened"
    elif not is_complete(translation.messages, answers=open_calls(history_of(turn.history)), pending=pending):
        turn.not_saved = f"its messages are incomplete; the agent stopped with {turn.stop_reason}"


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return content if isinstance(content, list) else []
