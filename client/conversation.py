"""Questions to one stack in one thread, over one connection; a run that is cut is gone on with."""

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
from client.following import Cut, Following, Position
from client.outputs import Outputs
from client.recording import Limits, Recording
from client.request import Request, attach, encoded, history, new_id, question, stop
from client.retry import Policy

# https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference/API_InvokeAgentRuntime.html names the lengths; the
# agent takes no other characters (agent/request.py).
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{32,255}")

STOP_SECONDS = 10.0
"""How long the answer to a stop is waited for."""


class Conversation:
    """Questions to one stack in one thread, over one connection.

    Args:
        outputs: the stack's.
        account: who asks; the signed-in user when left out.
        session_id: the thread to go on with, and the session where the stack lets callers name it; a new one begins
            when left out.
        policy: how often to try again, after a cut and what will pass.
        notice: is told of every connection that is followed by another.

    Attributes:
        session_id: may be set, to go over to another thread.
        asked: whether anything was sent in this thread.
        begun: whether anything came back.
        run_id: of the question that was asked last; None before the first.

    Raises:
        UsageError: when the id cannot be one.
    """

    def __init__(
        self,
        outputs: Outputs,
        account: Account | None = None,
        *,
        session_id: str | None = None,
        policy: Policy = Policy(),  # noqa: B008 - it cannot be changed
        notice: Callable[[Cut], None] = lambda _cut: None,
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
        self.session_id = session_id or new_id()
        self.run_id: str | None = None
        self.asked = self.begun = False
        self._first: Exchange | None = None

    async def ask(self, prompt: str) -> AsyncGenerator[Arrival, None]:
        """The events of one answer; the last may be its ``RUN_ERROR``. Raises what `client.exchange.ask` raises."""
        self.run_id, self._first = new_id(), None
        body = question(prompt, self.session_id, self.run_id)
        async with aclosing(self._follow(body, Position(self.run_id)).arrivals()) as arrivals:
            async for arrival in arrivals:
                self.begun = True
                yield arrival

    async def attach(self, run_id: str | None = None, after: int = 0) -> AsyncGenerator[Arrival, None]:
        """The events of a run that was asked for before, from the one after a number on, and live.

        Args:
            run_id: the run; the thread's latest when left out.
            after: the number of the last event that is known.

        Raises:
            AgentError: ``RUN_UNKNOWN``, ``EVENTS_GONE``, or as the run itself failed.
            ClientError: see `ask`.
        """
        body = attach(self.session_id, run_id, after)
        async with aclosing(self._follow(body, Position(run_id, after)).arrivals()) as arrivals:
            async for arrival in arrivals:
                self.begun = True
                yield arrival

    async def stop(self, run_id: str | None = None) -> bool:
        """End a run, the thread's when none is named; False when nothing ran.

        Raises:
            ClientError: when that cannot be told.
        """
        async with asyncio.timeout(STOP_SECONDS):
            exchange = await self._connect(stop(self.session_id, run_id), end_within=STOP_SECONDS)
        async with aclosing(exchange.arrivals()) as arrivals:
            async for _ in arrivals:
                pass
        answer = exchange.recording
        if answer.status == 200 and answer.ending == "refused":  # as JSON, which is no stream
            try:
                return bool(json.loads(answer.body)["stopped"])
            except (ValueError, KeyError, TypeError, RecursionError):
                pass
        if failure := answer.failure(Limits.of(self._outputs), exchange.token_fault):
            raise failure
        return False

    @asynccontextmanager
    async def stopped_if_interrupted(self) -> AsyncIterator[None]:
        """End the run when the block is cancelled: leaving alone would let it go on, unread.

        A second Ctrl-C does not wait for this. What cannot be stopped ends by itself after a while.
        """
        try:
            yield
        except asyncio.CancelledError:
            if self.asked:
                with suppress(ClientError, TimeoutError):
                    await self.stop(self.run_id)
            raise

    async def history(self) -> list[Mapping[str, Any]]:
        """What was said in the thread, as AG-UI messages; empty when nothing is kept of it.

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
        """One answer with the moment of every arrival in it, over however many connections. Raises as `ask` does."""
        self.run_id = new_id()
        following = self._follow(question(prompt, self.session_id, self.run_id), Position(self.run_id), keep=True)
        async with aclosing(following.arrivals()) as arrivals:
            async for _ in arrivals:
                pass
        return following.recording

    def begin_anew(self) -> None:
        """Go over to a new thread."""
        self.session_id, self.run_id = new_id(), None
        self.asked = self.begun = False

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    def _follow(self, body: Mapping[str, Any], position: Position, *, keep: bool = False) -> Following:
        async def begin(body: Mapping[str, Any]) -> Exchange:
            return await self._connect(body, keep=keep)

        limits = Limits.of(self._outputs)
        return Following(begin, body, position, self._policy, notice=self._notice, limits=limits)

    async def _connect(
        self, body: Mapping[str, Any], *, keep: bool = False, end_within: float | None = None
    ) -> Exchange:
        token = await self._account.id_token()  # each time: a run may outlive a token
        self.asked = True
        session = self.session_id if self._outputs.names_session else ""
        request = Request(self._outputs.invoke_url, token, encoded(body), session)
        fault = token_fault(token, self._outputs)
        exchange = Exchange(self._http, request, keep=keep, end_within=end_within, token_fault=fault)
        self._first = self._first or exchange
        return exchange

    @property
    def trace_id(self) -> str:
        """What AWS's traces call the last question (``X-Amzn-Trace-Id``); empty when its answer does not say."""
        return str(self._first.recording.headers.get("x-amzn-trace-id", "")) if self._first else ""

    async def __aenter__(self) -> Conversation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()
