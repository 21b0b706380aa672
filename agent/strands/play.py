"""Plays a Strands agent: one question through `Agent.stream_async`, its events as AG-UI events."""

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
from agent.strands.messages import blocks_of, history_of, is_whole, open_calls
from agent.strands.models import build_model, watch_model
from agent.strands.page_tools import add_page_tools
from agent.strands.tools import watch_tools
from agent.telemetry import error_fields, log_line
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
        """Yield the events of one run of the agent `built`, and let go of what it holds: an MCP server, for one."""
        try:
            async with aclosing(self._play(built, turn)) as events:
                async for event in events:
                    yield event
        finally:
            # In a thread, because it waits for the server's end; nobody waits for it. An agent that is only
            # garbage-collected would do the same on the event loop.
            asyncio.get_running_loop().run_in_executor(None, _clean_up, built)

    async def _play(self, built: Agent, turn: Turn) -> AsyncGenerator[BaseEvent, None]:
        if self._settings is None:
            raise RuntimeError("prepare() comes before play()")
        said = [_json(message) for message in turn.run.input]
        check_media(built.model, [part for message in said for part in _parts(message)])
        asked = [block for message in said for block in blocks_of(message)]
        translation = Translation(asked)
        prompt = _prompt(built, turn, asked)
        async with aclosing(self._stream(built, prompt, translation, turn, self._settings)) as events:
            try:
                async for event in events:
                    yield event
            finally:  # a run that fails or is stopped has cost its tokens too
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
            agent.callback_handler = null_callback_handler  # it would print every word, blocking, to the log
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
                # Every word has been delivered; that there are no more is the operator's limit, not a failure.
                translation.cut("max_tokens")


def _clean_up(agent: Agent) -> None:
    try:
        agent.cleanup()
    except Exception as error:  # noqa: BLE001 - the answer stands
        log_line({"message": "a tool provider could not be closed", "level": "WARNING", **error_fields(error)})


def _prompt(agent: Agent, turn: Turn, asked: list[ContentBlock]) -> list[Any]:
    """Return what the agent is asked, and put it where it was, if a turn was left half-way."""
    if turn.run.resume:
        if asked:
            raise bad_request("send resume without a message beside it")
        snapshot = turn.pending.snapshot if turn.pending else None
        if snapshot is None:
            raise bad_request("nothing is kept of this interrupt")
        return resume(agent, snapshot, turn.run.resume)
    messages = agent.messages
    if messages and messages[-1]["role"] == "user" and open_calls(messages):
        # The results of the agent's own tools, called beside the page's: a model wants all of a message's at once.
        return [*messages.pop()["content"], *asked]
    return list(asked)


def _leave(agent: Agent, turn: Turn, translation: Translation, settings: Settings) -> None:
    """Set on `turn` what it leaves behind."""
    pending = frozenset(translation.page_calls)
    if translation.interrupts:
        turn.interrupts = interrupts_of(translation.interrupts)
        turn.snapshot = snapshot_of(agent)
        pending = frozenset(open_calls(translation.messages))
    kept = translation.messages if settings.keep_media == "keep" else without_media(translation.messages)
    turn.native = encode_bytes_values(list(kept))
    if turn.stop_reason == "guardrail_intervened":
        turn.not_kept = "a guardrail stopped it"
    elif not is_whole(translation.messages, answers=open_calls(history_of(turn.history)), pending=pending):
        turn.not_kept = f"it is not whole; the agent stopped with {turn.stop_reason}"


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _json(message: Any) -> dict[str, Any]:
    return dict(message.model_dump(mode="json", by_alias=True, exclude_none=True))
