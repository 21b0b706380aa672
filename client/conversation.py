"""Questions to one stack in one session, over one connection."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from types import TracebackType

from client.account import Account, token_fault
from client.connection import connect
from client.errors import ClientError, UsageError
from client.outputs import Outputs
from client.retry import Policy, retrying
from client.stream import Arrival, Limits, ask, new_session

# https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference/API_InvokeAgentRuntime.html names the lengths; the
# agent takes no other characters (agent/request.py).
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{32,255}")


class Conversation:
    """Questions to one stack in one session, over one connection.

    Args:
        outputs: the stack's.
        account: who asks; the signed-in user when left out.
        session_id: the session to go on with; a new one begins when left out.
        policy: how often to ask again what cannot have reached the agent.
        notice: is told of every refusal that is followed by another attempt, and of the pause before it.

    Attributes:
        session_id: may be set, to go over to another session.
        begun: whether anything came back in this session.

    Raises:
        UsageError: when the session's id cannot be one.
    """

    def __init__(
        self,
        outputs: Outputs,
        account: Account | None = None,
        *,
        session_id: str | None = None,
        policy: Policy = Policy(),  # noqa: B008 - it cannot be changed
        notice: Callable[[ClientError, float], None] = lambda _error, _pause: None,
    ) -> None:
        if session_id is not None and not _SESSION.fullmatch(session_id):
            raise UsageError(
                "A session's id has 33 to 256 letters, digits and -_.:, and begins with no sign: leave it out to "
                "begin a new one."
            )
        self._outputs = outputs
        self._account = account or Account(outputs)
        self._policy = policy
        self._notice = notice
        self._http = connect(outputs)
        self.session_id = session_id or new_session()
        self.begun = False

    async def ask(self, prompt: str) -> AsyncGenerator[Arrival, None]:
        """The events of one answer. Raises what `client.stream.ask` raises."""
        token = await self._account.id_token()

        def start() -> AsyncGenerator[Arrival, None]:
            return ask(
                self._outputs.invoke_url,
                token,
                prompt,
                session_id=self.session_id,
                limits=Limits.of(self._outputs),
                token_fault=token_fault(token, self._outputs),
                http=self._http,
            )

        async with aclosing(retrying(start, self._policy, notice=self._notice)) as arrivals:
            async for arrival in arrivals:
                self.begun = True
                yield arrival

    def begin_anew(self) -> None:
        """Go over to a new session."""
        self.session_id, self.begun = new_session(), False

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def __aenter__(self) -> Conversation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()
