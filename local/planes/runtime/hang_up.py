"""What happens to the agent's response when its caller hangs up.

*Lost*: AgentCore does not close the connection to the agent, so the agent goes on writing and its bytes are discarded.
One team measured that on AWS
(https://github.com/aws-samples/sample-multi-agent-orchestration-chat-on-agentcore/pull/71); AWS documents neither.
*Passed*: the connection to the agent is closed, so the agent learns of the hang-up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import aiohttp

from local.planes.upstream import StreamCutError, Upstream


class DetachedReaders:
    """Tasks that read responses whose callers have hung up."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, reading: Coroutine[Any, Any, None]) -> None:
        """Run it in the background."""
        task = asyncio.create_task(reading)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel all tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class DetachedUpstream(Upstream):
    """A response of the agent that is read to its end or its deadline, even after the caller has hung up."""

    def __init__(self, response: aiohttp.ClientResponse, detached: DetachedReaders, deadline: float) -> None:
        super().__init__(response)
        self._detached = detached
        self._deadline = deadline

    def close(self) -> None:
        """See `Upstream.close`; the connection itself is closed at the end of the agent's response."""
        if self.complete:
            super().close()
        else:
            self._detached.add(self._discard())

    async def _discard(self) -> None:
        try:
            with contextlib.suppress(StreamCutError, TimeoutError):
                async with asyncio.timeout_at(self._deadline):
                    async for _ in self.chunks():
                        pass
        finally:
            super().close()
