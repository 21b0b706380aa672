"""The runs of one conversation (an AG-UI thread): one at a time, in the order in which they came."""

from __future__ import annotations

import asyncio

from agent.errors import Code, RefusalError
from agent.run import LiveRun
from agent.settings import Settings

__all__ = ["MAX_WAITING", "Thread"]

MAX_WAITING = 4


class Thread:
    """The runs of one user's thread: those under way or waiting, and the ended ones that can still be read."""

    def __init__(self) -> None:
        self.runs: dict[str, LiveRun] = {}
        """By run id, in the order in which they came."""
        self.turn_lock = asyncio.Lock()
        """Held by the run whose agent works; asyncio's locks are fair."""

    @property
    def under_way(self) -> list[LiveRun]:
        """The runs that have not ended."""
        return [run for run in self.runs.values() if run.ended_at is None]

    def admit(self, settings: Settings) -> None:
        """Apply `when_busy` to the runs under way, before a new question is added.

        Raises RefusalError(SESSION_BUSY) with `reject`, or with `queue` when `MAX_WAITING` questions wait already.
        """
        busy = self.under_way
        if settings.when_busy == "interrupt":
            for run in busy:
                run.end("replaced")
        elif len(busy) > (MAX_WAITING if settings.when_busy == "queue" else 0):
            raise RefusalError(Code.SESSION_BUSY)
