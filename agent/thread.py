"""Whose turn it is in a thread: one run at a time, first come, first served."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.errors import Code, RefusalError

if TYPE_CHECKING:
    from agent.run import LiveRun
    from agent.settings import Settings

__all__ = ["MAX_WAITING", "Thread"]

MAX_WAITING = 4


class Thread:
    """The runs of one user's thread: those under way or waiting, and those that are kept for late readers."""

    def __init__(self) -> None:
        self.runs: dict[str, LiveRun] = {}
        """By run id, in the order in which they came."""
        self._lock = asyncio.Lock()
        self._holder: LiveRun | None = None

    @property
    def under_way(self) -> list[LiveRun]:
        """The runs that have not ended."""
        return [run for run in self.runs.values() if run.ended_at is None]

    def make_room(self, settings: Settings) -> None:
        """Prepare for one more question, as `when_busy` says.

        Raises RefusalError(SESSION_BUSY) when runs under way are not to be ended, and no more may wait.
        """
        busy = self.under_way
        if settings.when_busy == "interrupt":
            for run in busy:
                run.end("replaced")
        elif len(busy) > (MAX_WAITING if settings.when_busy == "queue" else 0):
            raise RefusalError(Code.SESSION_BUSY)

    async def begin(self, run: LiveRun) -> None:
        """Wait until the runs that came before have ended."""
        await self._lock.acquire()
        self._holder = run

    def leave(self, run: LiveRun) -> None:
        """Let the next run begin, if `run` had begun."""
        if self._holder is run:
            self._holder = None
            self._lock.release()
