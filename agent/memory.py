"""What was said before: the history of each conversation, kept by turns.

A turn is one question with everything up to the end of its answer; an interrupted or failed one is not
kept. Histories are kept per user, session and thread, in this process; `agentcore_memory` keeps them where
they outlive it. An agent never sees which.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Protocol

from strands.types.content import Messages

from agent.request import Run

__all__ = ["Memory", "ProcessMemory"]

# A microVM serves one session; only a local run and a test see many conversations.
MAX_THREADS = 1024


class Memory(Protocol):
    """Where histories are kept."""

    async def load(self, run: Run) -> Messages:
        """Return the messages of the run's conversation, oldest first, as the caller's own list."""

    async def save(self, run: Run, turn: Messages) -> None:
        """Add one complete turn."""


class ProcessMemory:
    """Histories in this process, gone with it. Bounded: the oldest turns and conversations go first."""

    def __init__(self, max_messages: int) -> None:
        self._max_messages = max_messages
        self._threads: OrderedDict[tuple[str | None, str, str], deque[Messages]] = OrderedDict()

    async def load(self, run: Run) -> Messages:
        """Return the messages of the run's conversation, oldest first, as the caller's own list."""
        return [message for turn in self._threads.get(_key(run), ()) for message in turn]

    async def save(self, run: Run, turn: Messages) -> None:
        """Add one complete turn. Turns are forgotten whole, so no tool call is kept without its result."""
        turns = self._threads.setdefault(_key(run), deque())
        self._threads.move_to_end(_key(run))
        turns.append(turn)
        while len(turns) > 1 and sum(map(len, turns)) > self._max_messages:
            turns.popleft()
        while len(self._threads) > MAX_THREADS:
            self._threads.popitem(last=False)


def _key(run: Run) -> tuple[str | None, str, str]:
    return run.user, run.session_id, run.thread_id
