"""Asks one stack questions in one thread, and continues a run after its connection was cut."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from types import TracebackType
from typing import Any

from client.account import Account, token_fault
from client.connection import connect
from client.errors import AgentError, ClientError, UsageError
from client.exchange import Arrival, Exchange
from client.following import Cut, Position, RunReader
from client.outputs import Outputs
from client.recording import Limits, Recording
from client.request import Request, attach, encoded, history, new_id, question, stop
from client.retry import Policy

# The lengths are AgentCore's (https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference/API_InvokeAgentRuntime.html),
# the characters the agent's (agent/caller.py).
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{32,255}")

STOP_SECONDS = 10.0
"""The time limit for the response to a stop."""


class Conversation:
    """Questions to one stack in one thread.

    Args:
        outputs: the stack's.
        account: the user; by default the signed-in user.
        session_id: the thread to continue, and the session with ``sessionFrom: header``; by default a new one.
        policy: the retries after a cut or a transient refusal.
        notice: called for every connection that ends early and is followed by another.

    Attributes:
        session_id: the thread; may be set to switch to another one.
        asked: whether a request was sent in this thread.
        begun: whether an event has arrived in this thread.
        run_id: the id of the last question's run; None before the first.

    Raises:
        UsageError: when ``session_id`` is invalid.
    """

    def __init__(
        self,
        outputs: Outputs,
        account: Account | None = None,
        *,
        session_id: str | None = None,
        policy: Policy = Policy(),  # noqa: B008 - immutable
        notice: Callable[[Cut], None] = lambda _cut: None,
    ) -> None:
        if session_id is not None and not _SESSION.fullmatch(session_id):
            raise UsageError(
                "A session id has 33 to 256 letters, digits and -_.:, and begins with a letter or a digit: leave it "
                "out to start a new session."
            )
        self._outputs = outputs
        self._account = account or Account(outputs)
        self._policy = policy
        self._notice = notice
        self._http = connect(outputs)
        self.session_id = session_id or new_id()
        self.run_id: str | None = None
        self.asked = self.begun = False
        self._first: Exchange | None = None

    async def ask(self, prompt: str) -> AsyncGenerator[Arrival, None]:
        """Yield the events of one answer; the last may be a ``RUN_ERROR``. Raises as `client.exchange.ask`."""
        self.run_id, self._first = new_id(), None
        body = question(prompt, self.session_id, self.run_id)
        async with aclosing(self._follow(body, Position(self.run_id)).arrivals()) as arrivals:
            async for arrival in arrivals:
                self.begun = True
                yield arrival

    async def attach(self, run_id: str | None = None, after: int = 0) -> AsyncGenerator[Arrival, None]:
        """Yield the events of an earlier run, from the event after a number, and then live.

        Args:
            run_id: the run; by default the thread's latest.
            after: the number of the last event that the caller has.

        Raises:
            AgentError: ``RUN_UNKNOWN``, ``EVENTS_GONE``, or the run's own failure.
            ClientError: see `ask`.
        """
        body = attach(self.session_id, run_id, after)
        async with aclosing(self._follow(body, Position(run_id, after)).arrivals()) as arrivals:
            async for arrival in arrivals:
                self.begun = True
                yield arrival

    async def stop(self, run_id: str | None = None) -> bool:
        """End a run, by default all of the thread's; return False when none was under way.

        Raises:
            ClientError: when the request fails.
        """
        async with asyncio.timeout(STOP_SECONDS):
            exchange = await self._connect(stop(self.session_id, run_id), end_within=STOP_SECONDS)
        async with aclosing(exchange.arrivals()) as arrivals:
            async for _ in arrivals:
                pass
        answer = exchange.recording
        if answer.status == 200 and answer.ending == "refused":  # the response is JSON, not an event stream
            try:
                return bool(json.loads(answer.body)["stopped"])
            except (ValueError, KeyError, TypeError, RecursionError):
                pass
        if failure := answer.failure(Limits.of(self._outputs), exchange.token_fault):
            raise failure
        return False

    @asynccontextmanager
    async def stopped_if_interrupted(self) -> AsyncIterator[None]:
        """Stop the run when the block is cancelled: after a mere disconnect it would continue.

        A second Ctrl-C does not wait for this. If the stop fails, the agent ends the run after ``detachedSeconds``.
        """
        try:
            yield
        except asyncio.CancelledError:
            if self.asked:
                with suppress(ClientError, TimeoutError):
                    await self.stop(self.run_id)
            raise

    async def history(self) -> list[Mapping[str, Any]]:
        """Return the thread's messages in AG-UI's form; empty when the agent has no history of it.

        Raises:
            ClientError: see `ask`.
        """
        messages: list[Mapping[str, Any]] = []
        following = self._follow(history(self.session_id), Position(None))
        try:
            async with aclosing(following.arrivals()) as arrivals:
                async for arrival in arrivals:
                    if arrival.event["type"] == "MESSAGES_SNAPSHOT":
                        given = arrival.event.get("messages")
                        messages = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
        except AgentError as error:
            if error.code != "RUN_UNKNOWN":
                raise
        return messages

    async def record(self, prompt: str) -> Recording:
        """Ask, and return the recording of the whole answer, over one or more connections. Raises as `ask`."""
        self.run_id = new_id()
        following = self._follow(question(prompt, self.session_id, self.run_id), Position(self.run_id), keep=True)
        async with aclosing(following.arrivals()) as arrivals:
            async for _ in arrivals:
                pass
        return following.recording

    def start_new_thread(self) -> None:
        """Switch to a new thread."""
        self.session_id, self.run_id = new_id(), None
        self.asked = self.begun = False

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _follow(self, body: Mapping[str, Any], position: Position, *, keep: bool = False) -> RunReader:
        async def begin(body: Mapping[str, Any]) -> Exchange:
            return await self._connect(body, keep=keep)

        limits = Limits.of(self._outputs)
        return RunReader(begin, body, position, self._policy, notice=self._notice, limits=limits)

    async def _connect(
        self, body: Mapping[str, Any], *, keep: bool = False, end_within: float | None = None
    ) -> Exchange:
        token = await self._account.id_token()  # for each connection, because a run may outlive a token
        self.asked = True
        session = self.session_id if self._outputs.sends_session else ""
        request = Request(self._outputs.invoke_url, token, encoded(body), session)
        fault = token_fault(token, self._outputs)
        exchange = Exchange(self._http, request, keep=keep, end_within=end_within, token_fault=fault)
        self._first = self._first or exchange
        return exchange

    @property
    def trace_id(self) -> str:
        """The AWS trace id of the last question (``X-Amzn-Trace-Id``); empty if its response has none."""
        return str(self._first.recording.headers.get("x-amzn-trace-id", "")) if self._first else ""

    async def __aenter__(self) -> Conversation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()
