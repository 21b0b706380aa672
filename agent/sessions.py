"""Who owns a session.

AgentCore checks that a caller has a valid token, not that the session is theirs
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-security-best-practices.html). Here a session
belongs to the first user who asks a question in it; attaching, stopping and reading a history do not claim it.
"""

from __future__ import annotations

from collections import OrderedDict

from agent.caller import Caller
from agent.errors import Code, RefusalError

__all__ = ["Sessions"]

# A microVM serves one session; only local runs and tests have many.
MAX_SESSIONS = 4096


class Sessions:
    """The owners of this process's sessions, at most `MAX_SESSIONS`: the least recently used are dropped."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str | None] = OrderedDict()

    def claim(self, caller: Caller) -> None:
        """Make the caller's session theirs. Raises RefusalError(SESSION_FORBIDDEN) when it belongs to another user."""
        if self._owners.setdefault(caller.session_id, caller.user) != caller.user:
            raise RefusalError(Code.SESSION_FORBIDDEN)
        self._owners.move_to_end(caller.session_id)
        if len(self._owners) > MAX_SESSIONS:
            self._owners.popitem(last=False)

    def check(self, caller: Caller) -> None:
        """Raise RefusalError(SESSION_FORBIDDEN) when the caller's session belongs to another user."""
        if self._owners.get(caller.session_id, caller.user) != caller.user:
            raise RefusalError(Code.SESSION_FORBIDDEN)
