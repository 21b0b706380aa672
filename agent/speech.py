"""Opens and closes the messages of an answer: whatever framework gives the words, an event for each of them."""

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

from agent.text import WholeText, whole

__all__ = ["MOST_RESULT_CHARS", "Speech", "shown"]

# Of a tool's result only this much goes to the caller; the model reads all of it.
MOST_RESULT_CHARS = 65_536


class Speech:
    """What is being said: at most one text and one thought are open.

    Attributes:
        message_id: of the open text; None when there is none.
        whole: joins halves of characters, of a tool's arguments too; a new one forgets the half that it holds.
    """

    def __init__(self) -> None:
        self.message_id: str | None = None
        self.whole = WholeText()
        self._thought_id: str | None = None

    def say(self, delta: str) -> Iterator[BaseEvent]:
        """Yield the events for some words of the answer, which end a thought."""
        if not (delta := self.whole.add(delta)):
            return
        yield from self._end_thought()
        if self.message_id is None:
            self.message_id = str(uuid.uuid4())
            yield TextMessageStartEvent(message_id=self.message_id, role="assistant")
        yield TextMessageContentEvent(message_id=self.message_id, delta=delta)

    def think(self, delta: str) -> Iterator[BaseEvent]:
        """Yield the events for some words of the model's reasoning."""
        if not (delta := self.whole.add(delta)):
            return
        if self._thought_id is None:
            self._thought_id = str(uuid.uuid4())
            yield ReasoningStartEvent(message_id=self._thought_id)
            yield ReasoningMessageStartEvent(message_id=self._thought_id, role="reasoning")
        yield ReasoningMessageContentEvent(message_id=self._thought_id, delta=delta)

    def end(self) -> Iterator[BaseEvent]:
        """Yield the events that close what is open."""
        yield from self._end_thought()
        if self.message_id is not None:
            yield TextMessageEndEvent(message_id=self.message_id)
            self.message_id = None

    def _end_thought(self) -> Iterator[BaseEvent]:
        if self._thought_id is not None:
            yield ReasoningMessageEndEvent(message_id=self._thought_id)
            yield ReasoningEndEvent(message_id=self._thought_id)
            self._thought_id = None


def shown(result: str) -> str:
    """Return what the caller gets of a tool's result: its beginning, and how much more there is."""
    if len(result) > MOST_RESULT_CHARS:
        left_out = len(result) - MOST_RESULT_CHARS
        result = f"{result[:MOST_RESULT_CHARS]}\n[{left_out} more characters are not shown]"
    return whole(result)
