"""Turns deltas of text and reasoning into AG-UI message events, for every framework: opens and closes the messages."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from ag_ui.core import (
    BaseEvent,
    ReasoningEndEvent,
    ReasoningMessageContentEvent,
    ReasoningMessageEndEvent,
    ReasoningMessageStartEvent,
    ReasoningStartEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
)

from agent.text import SurrogateJoiner, join_surrogates

__all__ = ["MAX_RESULT_CHARS", "MessageWriter", "cut_result"]

# Characters of a tool's result that are sent to the caller; the model gets all of it.
MAX_RESULT_CHARS = 65_536


class MessageWriter:
    """Writes message events; at most one text message and one reasoning message are open.

    Attributes:
        message_id: the id of the open text message; None when there is none.
        joiner: joins surrogate pairs across deltas, those of a tool call's arguments too; replace it to reset it.
    """

    def __init__(self) -> None:
        self.message_id: str | None = None
        self.joiner = SurrogateJoiner()
        self._reasoning_id: str | None = None

    def text(self, delta: str) -> Iterator[BaseEvent]:
        """Yield the events for a delta of the answer's text; closes an open reasoning message."""
        if not (delta := self.joiner.add(delta)):
            return
        yield from self._end_reasoning()
        if self.message_id is None:
            self.message_id = str(uuid.uuid4())
            yield TextMessageStartEvent(message_id=self.message_id, role="assistant")
        yield TextMessageContentEvent(message_id=self.message_id, delta=delta)

    def reasoning(self, delta: str) -> Iterator[BaseEvent]:
        """Yield the events for a delta of the model's reasoning."""
        if not (delta := self.joiner.add(delta)):
            return
        if self._reasoning_id is None:
            self._reasoning_id = str(uuid.uuid4())
            yield ReasoningStartEvent(message_id=self._reasoning_id)
            yield ReasoningMessageStartEvent(message_id=self._reasoning_id, role="reasoning")
        yield ReasoningMessageContentEvent(message_id=self._reasoning_id, delta=delta)

    def end(self) -> Iterator[BaseEvent]:
        """Yield the events that close the open messages."""
        yield from self._end_reasoning()
        if self.message_id is not None:
            yield TextMessageEndEvent(message_id=self.message_id)
            self.message_id = None

    def _end_reasoning(self) -> Iterator[BaseEvent]:
        if self._reasoning_id is not None:
            yield ReasoningMessageEndEvent(message_id=self._reasoning_id)
            yield ReasoningEndEvent(message_id=self._reasoning_id)
            self._reasoning_id = None


def cut_result(result: str) -> str:
    """Return a tool's result for the caller: cut after `MAX_RESULT_CHARS`, with the number of characters left out."""
    if len(result) > MAX_RESULT_CHARS:
        left_out = len(result) - MAX_RESULT_CHARS
        result = f"{result[:MAX_RESULT_CHARS]}\n[{left_out} more characters are not shown]"
    return join_surrogates(result)
