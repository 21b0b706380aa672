"""One run, read over as many connections as it takes: each event once and in order, whatever cuts them.

A run outlives its connection. After a cut the client attaches with the number of the last event that it has; before
the first event it sends the question again, with the same ``runId``, which the agent attaches and never runs twice.
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
    """A connection that is followed by another.

    Attributes:
        error: why it ended.
        pause: seconds before the next.
        going_on: whether some of the answer is here already.
    """

    error: ClientError
    pause: float
    going_on: bool


@dataclasses.dataclass(slots=True)
class Position:
    """How far a run has been read.

    Attributes:
        run_id: the run's; None until its first event names it.
        number: of the last event that is here.
        unnumbered: whether events without a number came, as of an agent that keeps none: those are not sent again.
    """

    run_id: str | None
    number: int = 0
    unnumbered: bool = False

    def is_new(self, arrival: Arrival) -> bool:
        """Whether an event is to be passed on; it is counted then.

        Raises:
            ProtocolError: when it is another run's, or an event before it is missing.
        """
        run_id, _, digits = arrival.id.rpartition(":")
        if not (run_id and digits.isascii() and digits.isdigit()):
            self.unnumbered = self.unnumbered or arrival.event["type"] not in TERMINAL
            return True
        if run_id != (self.run_id or run_id):
            raise ProtocolError(f"Events of another run came ({run_id}, not {self.run_id}): ask again.")
        number, self.run_id = int(digits), run_id
        if number <= self.number:
            return arrival.event["type"] in TERMINAL  # sent also to whoever is past the end
        if number > self.number + 1:
            raise ProtocolError(
                f"Between event {self.number} and event {number} of the run some are missing: read what was kept with "
                "`python -m client history`."
            )
        self.number = number
        return True

    def may_go_on(self, error: ClientError) -> bool:
        """Whether another connection may have what this one had not."""
        match error:
            case ThrottledError() | ConflictError() | UnreachableError():
                return not self.unnumbered
            case CutError():
                return not self.unnumbered
            case RefusedError():
                return self.number > 0 and error.status in (500, 502, 503, 504)
            case _:
                return False


class Following:
    """Reads one run to its end.

    Args:
        connect: begins an exchange with this body, as a user who is signed in at that moment.
        body: the first one: a question, or an attach.
        position: where the reader stands.
        policy: how often to try, from the last event on, and how soon.
        notice: is told of every connection that is followed by another.
        sleep: waits; a test puts its own.
        limits: the stack's, to name the one at which a stream was cut.

    Attributes:
        recording: of all connections, as one; its times are seconds since the first began.
        cuts: how many connections ended early.
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
        """The events of the run, each once and in order.

        Raises:
            ClientError: what the last connection, or the first that no other may follow, came to.
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
            if attempt >= self._policy.attempts or not self._position.may_go_on(failure):
                raise failure
            await self._pause(failure, attempt)

    async def _pause(self, failure: ClientError, attempt: int) -> None:
        position, pause = self._position, self._policy.pause(attempt)
        self.cuts += 1
        if position.number:
            self._body = attach(str(self._body["threadId"]), position.run_id, position.number)
        self._notice(Cut(failure, pause, going_on=position.number > 0))
        await self._sleep(pause)

    def _add(self, part: Recording, offset: float) -> None:
        """Append what one connection brought; what came twice has been seen before."""
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
