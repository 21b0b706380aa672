"""Throttling is waited out here, as long as no word has been sent.

Strands would ask again after words have been sent too, and the clients of the providers would count on their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from strands.types.exceptions import ModelThrottledException
from strands.types.streaming import StreamEvent

from agent.errors import AgentError, Code

__all__ = ["retried"]

# Seconds before each further attempt. Quotas count per minute, so an early retry seldom helps and a caller seldom
# waits much longer than this: five attempts in 15 seconds.
BACKOFF = (1.0, 2.0, 4.0, 8.0)


async def retried(attempt: Callable[[], AsyncGenerator[StreamEvent, None]]) -> AsyncGenerator[StreamEvent, None]:
    """Yield the events of `attempt`, made again as long as it is throttled before its first event.

    Raises AgentError(MODEL_THROTTLED) when the model goes on throttling, or does so in mid-answer.
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
                # Not as the type that Strands would retry again.
                raise AgentError(Code.MODEL_THROTTLED) from error
        await asyncio.sleep(delay)
