"""The plainest agent: an async generator of words and AG-UI events; no framework is loaded for it."""

from collections.abc import AsyncGenerator

from ag_ui.core import BaseEvent, StateSnapshotEvent

from agent.request import Run


async def build_agent(run: Run) -> AsyncGenerator[str | BaseEvent, None]:
    """Count the words of the prompt, and show the page the count."""
    words = run.prompt.split()
    yield f"You wrote {len(words)} words. "
    yield StateSnapshotEvent(snapshot={"words": len(words)})
    yield f"The longest is “{max(words, key=len, default='')}”."
