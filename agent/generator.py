"""Runs the simplest agent: an async generator of strings, which become one text message, and of AG-UI events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from ag_ui.core import BaseEvent

from agent.message_events import MessageWriter
from agent.settings import Settings
from agent.turn import Turn

__all__ = ["GeneratorFramework"]


class GeneratorFramework:
    """Runs any async iterator of `str` and AG-UI events, in any mixture."""

    name = "generator"

    def prepare(self, settings: Settings) -> None:
        """Do nothing."""

    def arguments(self, turn: Turn) -> dict[str, Any]:
        """Return nothing: other adapters supply a generator's parameters."""
        return {}

    async def run(self, built: AsyncIterable[str | BaseEvent], turn: Turn) -> AsyncGenerator[BaseEvent, None]:
        """Yield the events; consecutive strings form one message, which the next event closes."""
        items = aiter(built)
        messages = MessageWriter()
        try:
            async for item in items:
                if isinstance(item, str):
                    for event in messages.text(item):
                        yield event
                elif isinstance(item, BaseEvent):
                    for event in messages.end():
                        yield event
                    yield item
                else:
                    raise TypeError(
                        f"build_agent's generator yielded a {type(item).__name__}; yield str or AG-UI events"
                    )
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()
        for event in messages.end():
            yield event
