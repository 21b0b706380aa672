"""Plays a compiled LangGraph graph whose state has `messages`: https://docs.langchain.com/oss/python/langgraph/overview.

A graph with a checkpointer owns its history: it gets the new input only, under a thread of its own for each user. One
without gets the whole conversation each time, and cannot be interrupted.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from ag_ui.core import BaseEvent, Interrupt
from langgraph.types import Command

from agent.langgraph.events import STREAM_MODES, Translation
from agent.langgraph.messages import messages_from
from agent.langgraph.watch import ModelWatch
from agent.settings import Settings
from agent.turn import Turn

__all__ = ["Adapter"]

REFUSED = {"status": "cancelled"}
"""What `interrupt()` returns in the graph for an answer of status `cancelled`."""


class Adapter:
    """Plays graphs; gives `build_agent` nothing beside the run."""

    name = "langgraph"

    def prepare(self, settings: Settings) -> None:
        """Do nothing: a graph brings its own models."""

    def arguments(self, turn: Turn) -> dict[str, Any]:
        """Return nothing."""
        return {}

    async def play(self, built: Any, turn: Turn) -> AsyncGenerator[BaseEvent, None]:
        """Yield the events of one run of the graph `built`. Nodes find the `Run` in `config["configurable"]["run"]`."""
        watch, translation = ModelWatch(), Translation()
        owns_history = built.checkpointer not in {None, False}
        # A checkpointer may outlive this process and serve many users.
        thread = json.dumps([turn.run.user, turn.run.thread_id])
        config = {"configurable": {"thread_id": thread, "run": turn.run}, "callbacks": [watch]}
        stream = cast(
            "AsyncGenerator[Any, None]",
            built.astream(_input(turn, owns_history=owns_history), config, stream_mode=STREAM_MODES),
        )
        try:
            with watch.failures():
                async with aclosing(stream):
                    async for mode, data in stream:
                        for event in translation.read(mode, data):
                            yield event
        finally:  # a run that fails or is stopped has cost its tokens too
            turn.usage, turn.stop_reason = watch.usage, watch.stop_reason
        for event in translation.end():
            yield event
        if translation.interrupts and not owns_history:
            raise RuntimeError(
                "the graph called interrupt() and cannot be resumed: compile it with a checkpointer, such as "
                "graph.compile(checkpointer=InMemorySaver()), or a durable one to resume after a restart too"
            )
        turn.interrupts = [_interrupt(one) for one in translation.interrupts]
        turn.snapshot = {}  # the checkpointer has it


def _input(turn: Turn, *, owns_history: bool) -> Any:
    if turn.run.resume:
        return Command(
            resume={
                answer.interrupt_id: REFUSED
                if answer.status == "cancelled"
                else (True if answer.payload is None else answer.payload)
                for answer in turn.run.resume
            }
        )
    asked = [message.model_dump(mode="json", by_alias=True, exclude_none=True) for message in turn.run.input]
    earlier = [] if owns_history else list(turn.run.history)
    return {"messages": messages_from([*earlier, *asked])}


def _interrupt(raised: Any) -> Interrupt:
    value = json.loads(json.dumps(raised.value, default=str))
    text = isinstance(value, str)
    return Interrupt(
        id=raised.id,
        reason="interrupt",
        message=value if text else None,
        metadata=None if text else {"value": value},
    )
