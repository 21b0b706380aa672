"""Runs a compiled LangGraph graph whose state has `messages`: https://docs.langchain.com/oss/python/langgraph/overview.

A graph with a checkpointer keeps its own history: it gets only the new input, under a thread id per user and thread. A
graph without one gets the whole conversation each time, and cannot be interrupted.
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
from agent.turn import Turn, response_to_interrupt

__all__ = ["Adapter"]


class Adapter:
    """Runs graphs; supplies `build_agent` with nothing but the run."""

    name = "langgraph"

    def prepare(self, settings: Settings) -> None:
        """Do nothing: a graph has its own models."""

    def arguments(self, turn: Turn) -> dict[str, Any]:
        """Return nothing."""
        return {}

    async def run(self, built: Any, turn: Turn) -> AsyncGenerator[BaseEvent, None]:
        """Yield the events of one run of the graph `built`. Nodes find the `Run` in `config["configurable"]["run"]`."""
        watch, translation = ModelWatch(), Translation()
        owns_history = built.checkpointer not in {None, False}
        # The thread id contains the user: a checkpointer may serve many users.
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
        finally:  # a failed or stopped run used tokens too
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
        return Command(resume={answer.interrupt_id: response_to_interrupt(answer) for answer in turn.run.resume})
    earlier = [] if owns_history else list(turn.run.history)
    return {"messages": messages_from([*earlier, *turn.run.input_json])}


def _interrupt(raised: Any) -> Interrupt:
    value = json.loads(json.dumps(raised.value, default=str))
    text = isinstance(value, str)
    return Interrupt(
        id=raised.id,
        reason="interrupt",
        message=value if text else None,
        metadata=None if text else {"value": value},
    )
