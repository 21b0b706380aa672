"""The plainest agent: an async generator of strings, which become one text message, or of AG-UI events."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from ag_ui.core import BaseEvent, TextMessageContentEvent, TextMessageEndEvent, TextMessageStartEvent

from agent.settings import Settings
from agent.text import WholeText
from agent.turn import Turn

__all__ = ["GeneratorFramework"]


class GeneratorFramework:
    """Plays any async iterator of `str` and AG-UI events, in any mixture."""

    name = "generator"

    def prepare(self, settings: Settings) -> None:
        """Do nothing."""

    def arguments(self, turn: Turn) -> dict[str, Any]:
        """Return nothing: a generator's parameters are given by others."""
        return {}

    async def play(self, built: AsyncIterable[str | BaseEvent], turn: Turn) -> AsyncGenerator[BaseEvent, None]:
        """Yield the events; words in a row are one message, which an event of another kind closes."""
        items = aiter(built)
        message: str | None = None
        words = WholeText()
        try:
            async for item in items:
                if isinstance(item, str):
                    if not (delta := words.add(item)):
                        continue
                    if message is None:
                        message = str(uuid.uuid4())
                        yield TextMessageStartEvent(message_id=message, role="assistant")
                    yield TextMessageContentEvent(message_id=message, delta=delta)
                elif isinstance(item, BaseEvent):
                    if message is not None:
                        yield TextMessageEndEvent(message_id=message)
                        message = None
                    yield item
                else:
                    raise TypeError(
                        f"build_agent's generator yielded a {type(item).__name__}; yield str or AG-UI events"
                    )
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()
        if message is not None:
            yield TextMessageEndEvent(message_id=message)
