"""Reads one run over as many connections as necessary, and yields each event once and in order.

A run outlives its connection. After a cut the client attaches with the number of its last event. Before the first event
it sends the question again with the same ``runId``; the agent then attaches to the run and does not start it twice.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

from client.errors import (
    ClientError,
    ConflictError,
    CutError,
    ProtocolError,
    RefusedError,
    ThrottledError,
    UnreachableError,
)
from client.exchange import Arrival, Exchange
from client.recording import Limits, Recording
from client.request import attach
from client.retry import Policy

TERMINAL = ("RUN_FINISHED", "RUN_ERROR")


class Cut(NamedTuple):
    """A connection that ended early and is followed by another.

    Attributes:
        error: why it ended.
        pause: seconds before the next connection.
        has_events: whether events have arrived, so that the client attaches instead of asking again.
    """

    error: ClientError
    pause: float
    has_events: bool


@dataclasses.dataclass(slots=True)
class Position:
    """How far a run has been read.

    Attributes:
        run_id: the run's id; None until the first event tells it.
        number: the number of the last event.
        unnumbered: whether events without a number arrived; an agent that sends such events keeps none of them.
    """

    run_id: str | None
    number: int = 0
    unnumbered: bool = False

    def is_new(self, arrival: Arrival) -> bool:
        """Return whether an event is new, and if so advance the position.

        Raises:
            ProtocolError: when it belongs to another run, or an event before it is missing.
        """
        run_id, _, digits = arrival.id.rpartition(":")
        if not (run_id and digits.isascii() and digits.isdigit()):
            self.unnumbered = self.unnumbered or arrival.event["type"] not in TERMINAL
            return True
        if run_id != (self.run_id or run_id):
            raise ProtocolError(f"The response has events of another run ({run_id}, not {self.run_id}): ask again.")
        number, self.run_id = int(digits), run_id
        if number <= self.number:
            return arrival.event["type"] in TERMINAL  # the terminal event is always sent
        if number > self.number + 1:
            raise ProtocolError(
                f"Events are missing between number {self.number} and {number} of the run: read the stored "
                "conversation with `python -m client history`."
            )
        self.number = number
        return True

    def can_continue(self, error: ClientError) -> bool:
        """Whether another connection can continue the run after this error."""
        match error:
            case ThrottledError() | ConflictError() | UnreachableError():
                return not self.unnumbered
            case CutError():
                return not self.unnumbered
            case RefusedError():
                return self.number > 0 and error.status in (500, 502, 503, 504)
            case _:
                return False


class RunReader:
    """Reads one run to its end.

    Args:
        connect: starts an exchange with the given body and a valid token.
        body: the first body: a question, or an attach.
        position: the position before the first event.
        policy: the retries; attempts are counted from the last event that arrived.
        notice: called for every connection that ends early and is followed by another.
        sleep: waits for seconds; tests replace it.
        limits: the stack's, to name the one that cut a stream.

    Attributes:
        recording: all connections combined; its times are seconds since the first began.
        cuts: the number of connections that ended early.
    """

    def __init__(
        self,
        connect: Callable[[Mapping[str, Any]], Awaitable[Exchange]],
        body: Mapping[str, Any],
        position: Position,
        policy: Policy,
        *,
        notice: Callable[[Cut], None] = lambda _cut: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        limits: Limits | None = None,
    ) -> None:
        self._connect = connect
        self._body = body
        self._position = position
        self._policy = policy
        self._notice = notice
        self._sleep = sleep
        self._limits = limits
        self._began: float | None = None
        self.recording = Recording(str(body["threadId"]))
        self.cuts = 0

    async def arrivals(self) -> AsyncGenerator[Arrival, None]:
        """Yield the events of the run, each once and in order.

        Raises:
            ClientError: the failure of the last attempt, or the first failure that a retry cannot help.
        """
        attempt = 0
        while True:
            exchange = await self._connect(self._body)
            self._began = exchange.began if self._began is None else self._began
            offset = exchange.began - self._began
            try:
                async with aclosing(exchange.arrivals()) as arrivals:
                    async for arrival in arrivals:
                        if self._position.is_new(arrival):
                            attempt = 0
                            yield arrival._replace(seconds=offset + arrival.seconds)
            finally:
                self._add(exchange.recording, offset)
            failure = exchange.recording.failure(self._limits, exchange.token_fault)
            if failure is None:
                return
            attempt += 1
            if attempt >= self._policy.attempts or not self._position.can_continue(failure):
                raise failure
            await self._pause(failure, attempt)

    async def _pause(self, failure: ClientError, attempt: int) -> None:
        position, pause = self._position, self._policy.pause(attempt)
        self.cuts += 1
        if position.number:
            self._body = attach(str(self._body["threadId"]), position.run_id, position.number)
        self._notice(Cut(failure, pause, has_events=position.number > 0))
        await self._sleep(pause)

    def _add(self, part: Recording, offset: float) -> None:
        """Append one connection's recording, without events that are already in it."""
        seen = {mark.id for mark in self.recording.marks if mark.id}
        new = [
            dataclasses.replace(mark, seconds=offset + mark.seconds)
            for mark in part.marks
            if not mark.id or mark.id not in seen
        ]
        first = not self.recording.status
        self.recording = dataclasses.replace(
            part,
            marks=[*self.recording.marks, *new],
            headers_after=part.headers_after if first else self.recording.headers_after,
            lasted=offset + part.lasted,
        )
