"""Who owns a session, and whose turn it is in it.

AgentCore checks that a caller has a valid token, not that the session is theirs
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-security-best-practices.html). Here a
session belongs to the first user who speaks in it. Runs in one session are answered one after another, in
the order in which they came.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.errors import Code, RefusalError
from agent.request import Run

__all__ = ["Session", "Sessions"]

# A microVM serves one session; only a local run and a test see many.
MAX_SESSIONS = 4096
MAX_WAITING = 4


class Session:
    """One session: its owner and its queue."""

    def __init__(self, owner: str | None) -> None:
        self.owner = owner
        self._runs = 0
        self._lock = asyncio.Lock()  # first come, first served

    @property
    def busy(self) -> bool:
        """Whether a run is being answered or waiting."""
        return self._runs > 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until the runs that came before have ended.

        Raises RefusalError(SESSION_BUSY) when four others are waiting already.
        """
        if self._runs > MAX_WAITING:
            raise RefusalError(Code.SESSION_BUSY)
        self._runs += 1
        try:
            async with self._lock:
                yield
        finally:
            self._runs -= 1


class Sessions:
    """All sessions of this process. Idle ones are forgotten, least recently used first, when there are many.

    To be used on the event loop only.
    """

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def claim(self, run: Run) -> Session:
        """Return the session of `run`, made if it is new.

        Raises RefusalError(SESSION_FORBIDDEN) when it belongs to another user.
        """
        session = self._sessions.setdefault(run.session_id, Session(run.user))
        if session.owner != run.user:
            raise RefusalError(Code.SESSION_FORBIDDEN)
        self._sessions.move_to_end(run.session_id)
        if len(self._sessions) > MAX_SESSIONS:
            self._forget()
        return session

    def _forget(self) -> None:
        for session_id, session in list(self._sessions.items())[:-1]:  # never the one just claimed
            if not session.busy:
                del self._sessions[session_id]
                return
