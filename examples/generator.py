"""The simplest agent: an async generator of strings and AG-UI events, without a framework."""

from collections.abc import AsyncGenerator

from ag_ui.core import BaseEvent, StateSnapshotEvent

from agent.request import Run


async def build_agent(run: Run) -> AsyncGenerator[str | BaseEvent, None]:
    """Count the words of the prompt, and send the count as AG-UI state."""
    words = run.prompt.split()
    yield f"You wrote {len(words)} words. "
    yield StateSnapshotEvent(snapshot={"words": len(words)})
    yield f"The longest is “{max(words, key=len, default='')}”."
