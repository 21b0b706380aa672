"""Children as a family: one that ends without being told is news, and all end together."""

from __future__ import annotations

import asyncio

from local.processes import Child


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
        """Look after a child from now on."""
        self._children[child.name] = child
        task = asyncio.create_task(self._watch(child))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _watch(self, child: Child) -> None:
        await child.process.wait()
        if self._children.get(child.name) is child:
            self._deaths.put_nowait(child.obituary())

    async def first_death(self) -> str:
        """Wait until a child ends that nobody told to, and return why in one sentence."""
        return await self._deaths.get()

    async def end(self, *names: str) -> None:
        """Stop some children, if they are there."""
        ending = [child for name in names if (child := self._children.pop(name, None))]
        await asyncio.gather(*(child.stop() for child in ending))

    async def end_all(self) -> None:
        """Stop every child."""
        await self.end(*self._children)
        for task in self._watching:
            task.cancel()
