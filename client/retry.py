"""Ask again, where that cannot ask twice: never once an event has arrived, and never after a connection that broke."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import NamedTuple

from client.errors import ClientError, ConflictError, ThrottledError, UnreachableError
from client.stream import Arrival


class Policy(NamedTuple):
    """How often and how soon to ask again.

    Attributes:
        attempts: how often to ask in all.
        first: the longest first pause in seconds; it doubles with every attempt.
        longest: no pause is longer than this, in seconds.
    """

    attempts: int = 4
    first: float = 0.5
    longest: float = 8.0

    def pause(self, attempt: int) -> float:
        """Seconds before the next attempt: anything up to the bound, so that clients do not march in step.

        Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
        """
        bound = min(self.longest, self.first * 2.0 ** (attempt - 1))
        return random.uniform(0.1, 1) * bound  # noqa: S311 - not a secret


NEVER = Policy(attempts=1)


def may_ask_again(error: ClientError) -> bool:
    """Whether the request surely did not reach the agent, and may well the next time."""
    if isinstance(error, UnreachableError):
        return not error.sent
    return isinstance(error, ThrottledError | ConflictError)


async def retrying(
    start: Callable[[], AsyncGenerator[Arrival, None]],
    policy: Policy,
    *,
    notice: Callable[[ClientError, float], None] = lambda _error, _pause: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[Arrival, None]:
    """The events of the first attempt that gets any.

    Args:
        start: asks once, as `client.stream.ask` does.
        policy: how often and how soon.
        notice: is told of every refusal that is followed by another attempt, and of the pause before it.
        sleep: waits; a test puts its own.

    Raises:
        ClientError: what the last attempt, or the first that may not be repeated, raised.
    """
    for attempt in range(1, policy.attempts + 1):
        arrived = False
        try:
            async with aclosing(start()) as events:
                async for arrival in events:
                    arrived = True
                    yield arrival
        except ClientError as error:
            if arrived or attempt == policy.attempts or not may_ask_again(error):
                raise
            pause = policy.pause(attempt)
            notice(error, pause)
            await sleep(pause)
        else:
            return
