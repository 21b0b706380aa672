"""Retries a throttled model call, only before its first event.

Strands would retry after text has been sent, too, and the providers' clients would add retries of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from strands.types.exceptions import ModelThrottledException
from strands.types.streaming import StreamEvent

from agent.errors import AgentError, Code

__all__ = ["retried"]

# Seconds before each further attempt: five attempts in 15 seconds. Quotas are per minute, so faster retries seldom
# help, and callers seldom wait much longer.
BACKOFF = (1.0, 2.0, 4.0, 8.0)


async def retried(attempt: Callable[[], AsyncGenerator[StreamEvent, None]]) -> AsyncGenerator[StreamEvent, None]:
    """Yield the events of `attempt`, repeated while it is throttled before its first event.

    Raises AgentError(MODEL_THROTTLED) when all attempts are throttled, or one is after its first event.
    """
    for delay in (*BACKOFF, None):
        started = False
        try:
            async with aclosing(attempt()) as events:
                async for event in events:
                    started = True
                    yield event
            return
        except ModelThrottledException as error:
            if started or delay is None:
                # Strands would retry a ModelThrottledException again.
                raise AgentError(Code.MODEL_THROTTLED) from error
        await asyncio.sleep(delay)
