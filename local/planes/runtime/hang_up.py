"""What becomes of the agent's answer when its caller has hung up.

*Lost*: AgentCore keeps the hang-up to itself, so the agent writes on and its bytes go nowhere. One team has measured
that on AWS (https://github.com/aws-samples/sample-multi-agent-orchestration-chat-on-agentcore/pull/71), and AWS
documents neither. *Passed*: the connection to the agent is closed, and the agent learns of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Literal

import aiohttp

from local.planes.upstream import StreamCutError, Upstream

HangUp = Literal["lost", "passed"]


class Unheard:
    """Answers that are read on after their callers have gone."""

    def __init__(self) -> None:
        self._reading: set[asyncio.Task[None]] = set()

    def read_on(self, reading: Coroutine[Any, Any, None]) -> None:
        """Read on in the background."""
        task = asyncio.create_task(reading)
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def close(self) -> None:
        """Give them all up."""
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)


class LingeringUpstream(Upstream):
    """An answer of the agent that is read to its end, or to its deadline, whoever has stopped to listen."""

    def __init__(self, response: aiohttp.ClientResponse, unheard: Unheard, deadline: float) -> None:
        super().__init__(response)
        self._unheard = unheard
        self._deadline = deadline

    def close(self) -> None:
        """See `Upstream.close`; the connection itself is closed when the agent has nothing more to say."""
        if self.over:
            super().close()
        else:
            self._unheard.read_on(self._discard())

    async def _discard(self) -> None:
        try:
            with contextlib.suppress(StreamCutError, TimeoutError):
                async with asyncio.timeout_at(self._deadline):
                    async for _ in self.chunks():
                        pass
        finally:
            super().close()
