"""Supervises child processes: reports one that ends by itself, and stops all of them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from local.processes.child import Child, ChildEndedError
from local.program.graph import ProgramError

NOTICE_SECONDS = 0.5
"""Work may fail because a child ended, before its exit is noticed: wait this long for the exit, which is the cause."""

T = TypeVar("T")


class Supervisor:
    """Keeps child processes by name."""

    def __init__(self) -> None:
        self._children: dict[str, Child] = {}
        self._watching: set[asyncio.Task[None]] = set()
        self._exits: asyncio.Queue[str] = asyncio.Queue()

    @property
    def processes(self) -> dict[str, int]:
        """The process id of every child, by name."""
        return {name: child.process.pid for name, child in self._children.items()}

    def adopt(self, child: Child) -> None:
        """Supervise a child that is ready."""
        self._children[child.name] = child
        task = asyncio.create_task(self._watch(child))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _watch(self, child: Child) -> None:
        await child.process.wait()
        if self._children.get(child.name) is child:
            self._exits.put_nowait(child.exit_message())

    async def while_up(self, work: Coroutine[Any, Any, T]) -> T:
        """Await the work; cancel it when a child ends by itself.

        Raises:
            ChildEndedError: when a child ended without `end`.
        """
        working, exited = asyncio.create_task(work), asyncio.create_task(self._exits.get())
        try:
            await asyncio.wait({working, exited}, return_when=asyncio.FIRST_COMPLETED)
            if working.done() and working.exception() is not None:
                await asyncio.wait({exited}, timeout=NOTICE_SECONDS)
            if exited.done():
                raise ChildEndedError(exited.result())
            return working.result()
        finally:
            for task in (working, exited):
                task.cancel()
            await asyncio.gather(working, exited, return_exceptions=True)

    async def end(self, *names: str) -> None:
        """Stop the children of these names, if they are up."""
        ending = [child for name in names if (child := self._children.pop(name, None))]
        await asyncio.gather(*(child.stop() for child in ending))

    async def end_all(self) -> None:
        """Stop every child."""
        await self.end(*self._children)
        for task in self._watching:
            task.cancel()


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first failure is raised as itself, after the other tasks are cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except* (ProgramError, OSError) as failures:
        raise failures.exceptions[0] from None
