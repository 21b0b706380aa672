"""The history of each thread, stored by turn and per user.

A turn is one question with everything up to the end of its answer. `ProcessMemory` keeps histories in this process;
`agent/agentcore_memory.py` keeps them in AgentCore Memory, where they outlive it. An agent sees no difference.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from agent.caller import Caller
from agent.turn import StoredTurn

__all__ = ["Memory", "ProcessMemory", "cut", "latest"]

# A microVM serves one session; only local runs and tests have many conversations.
MAX_THREADS = 1024


class Memory(Protocol):
    """A store of histories."""

    async def load(self, caller: Caller, thread_id: str) -> list[StoredTurn]:
        """Return the turns of a thread, oldest first."""

    async def save(
        self,
        caller: Caller,
        thread_id: str,
        turn: StoredTurn,
        after: Sequence[StoredTurn],
        replaced: Sequence[StoredTurn],
    ) -> None:
        """Store `turn` after the turns `after`, and delete the turns `replaced`, which it replaces."""


def latest(turns: Sequence[StoredTurn], max_messages: int) -> list[StoredTurn]:
    """Return the last of `turns` that have at most `max_messages` together, but at least one turn.

    Only whole turns are dropped, so that no tool call is kept without its result.
    """
    first, size = len(turns), 0
    while first and (not size or size + len(turns[first - 1].messages) <= max_messages):
        first -= 1
        size += len(turns[first].messages)
    return list(turns[first:])


def cut(turns: list[StoredTurn], input_ids: set[str], before: str | None) -> list[StoredTurn]:
    """Return the turns that remain when a message is edited or an answer is regenerated.

    Args:
        turns: the thread's history.
        input_ids: the message ids of the new input; if one is stored, its turn and all later ones are cut.
        before: the id of the message before the input in the client's conversation; if no input id is stored, the
            turns after the one with this message are cut.

    Unknown ids cut nothing.
    """
    for number, turn in enumerate(turns):
        if any(message["id"] in input_ids for message in turn.messages):
            return turns[:number]
    for number, turn in enumerate(turns):
        if any(message["id"] == before for message in turn.messages):
            return turns[: number + 1]
    return turns


class ProcessMemory:
    """Histories in this process, lost when it ends. Bounded: the oldest turns and conversations are dropped first."""

    def __init__(self, max_messages: int) -> None:
        self._max_messages = max_messages
        self._threads: OrderedDict[tuple[str | None, str], list[StoredTurn]] = OrderedDict()

    async def load(self, caller: Caller, thread_id: str) -> list[StoredTurn]:
        """Return the turns of a thread, oldest first."""
        return list(self._threads.get((caller.user, thread_id), []))

    async def save(
        self,
        caller: Caller,
        thread_id: str,
        turn: StoredTurn,
        after: Sequence[StoredTurn],
        replaced: Sequence[StoredTurn],
    ) -> None:
        """Store `turn` after the turns `after`."""
        key = (caller.user, thread_id)
        self._threads[key] = latest([*after, turn], self._max_messages)
        self._threads.move_to_end(key)  # the least recently used thread is dropped first
        while len(self._threads) > MAX_THREADS:
            self._threads.popitem(last=False)
