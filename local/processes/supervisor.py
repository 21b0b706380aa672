"""Children as a family: one that ends without being told is news, and all end together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from local.processes.child import Child, ChildEndedError
from local.program.graph import ProgramError

NOTICE_SECONDS = 0.5
"""Work that fails because a child died may fail before the death is noticed; it is, within this time."""

T = TypeVar("T")


class Supervisor:
    """Keeps child processes by name."""

    def __init__(self) -> None:
        self._children: dict[str, Child] = {}
        self._watching: set[asyncio.Task[None]] = set()
        self._deaths: asyncio.Queue[str] = asyncio.Queue()

    @property
    def processes(self) -> dict[str, int]:
        """The process id of every child, by name."""
        return {name: child.process.pid for name, child in self._children.items()}

    def adopt(self, child: Child) -> None:
        """Look after a child that is ready, from now on."""
        self._children[child.name] = child
        task = asyncio.create_task(self._watch(child))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _watch(self, child: Child) -> None:
        await child.process.wait()
        if self._children.get(child.name) is child:
            self._deaths.put_nowait(child.exit_message())

    async def while_up(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work; it is cancelled when a child ends meanwhile.

        Raises:
            ChildEndedError: when a child ended that nobody told to.
        """
        working, death = asyncio.create_task(work), asyncio.create_task(self._deaths.get())
        try:
            await asyncio.wait({working, death}, return_when=asyncio.FIRST_COMPLETED)
            if working.done() and working.exception() is not None:
                await asyncio.wait({death}, timeout=NOTICE_SECONDS)
            if death.done():
                raise ChildEndedError(death.result())
            return working.result()
        finally:
            for task in (working, death):
                task.cancel()
            await asyncio.gather(working, death, return_exceptions=True)

    async def end(self, *names: str) -> None:
        """Stop some children, if they are there."""
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
