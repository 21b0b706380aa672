"""The plainest agent: an async generator of strings, which become one text message, or of AG-UI events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from ag_ui.core import BaseEvent

from agent.settings import Settings
from agent.speech import Speech
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
        speech = Speech()
        try:
            async for item in items:
                if isinstance(item, str):
                    for event in speech.say(item):
                        yield event
                elif isinstance(item, BaseEvent):
                    for event in speech.end():
                        yield event
                    yield item
                else:
                    raise TypeError(
                        f"build_agent's generator yielded a {type(item).__name__}; yield str or AG-UI events"
                    )
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()
        for event in speech.end():
            yield event
