"""Who owns a session, and whose turn it is in it.

AgentCore checks that a caller has a valid token, not that the session is theirs
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-security-best-practices.html). Here a
session belongs to the first user who speaks in it. Runs in one session are answered one after another, in
the order in which they came.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Self

from agent.errors import Code, RefusalError
from agent.request import Run

__all__ = ["Session", "Sessions", "Turn"]

# A microVM serves one session; only a local run and a test see many.
MAX_SESSIONS = 4096
MAX_WAITING = 4


class Session:
    """One session: its owner and its queue."""

    def __init__(self, owner: str | None) -> None:
        self.owner = owner
        self.runs = 0  # being answered or waiting
        self.lock = asyncio.Lock()  # first come, first served


class Turn:
    """One run's place in the queue of its session, left once, by whoever ends the run first.

    with turn:
        turn.join(session)
        await turn.begin()
    """

    def __init__(self) -> None:
        self._session: Session | None = None
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    @property
    def begun(self) -> bool:
        """Whether it is this run's turn."""
        return self._begun

    def join(self, session: Session) -> None:
        """Take the last place in the queue of `session`."""
        self._session = session
        session.runs += 1

    async def begin(self) -> None:
        """Wait until the runs that came before have ended."""
        if self._session is not None:
            self._begun = await self._session.lock.acquire()

    def leave(self) -> None:
        """Give the place up, from wherever in the queue."""
        session, self._session = self._session, None
        if session is None:
            return
        session.runs -= 1
        if self._begun:
            self._begun = False
            session.lock.release()


class Sessions:
    """All sessions of this process. Idle ones are forgotten, least recently used first, when there are many.

    To be used on the event loop only.
    """

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def claim(self, run: Run) -> Session:
        """Return the session of `run`, made if it is new.

        Raises RefusalError: SESSION_FORBIDDEN when it belongs to another user, SESSION_BUSY when one run is being
        answered in it and four wait.
        """
        session = self._sessions.setdefault(run.session_id, Session(run.user))
        if session.owner != run.user:
            raise RefusalError(Code.SESSION_FORBIDDEN)
        if session.runs > MAX_WAITING:
            raise RefusalError(Code.SESSION_BUSY)
        self._sessions.move_to_end(run.session_id)
        if len(self._sessions) > MAX_SESSIONS:
            self._forget()
        return session

    def _forget(self) -> None:
        for session_id, session in list(self._sessions.items())[:-1]:  # never the one just claimed
            if not session.runs:
                del self._sessions[session_id]
                return
