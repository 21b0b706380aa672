"""What was said before: the history of each thread, kept by turns, per user.

A turn is one question with everything up to the end of its answer. Histories are kept in this process;
`agent/agentcore_memory.py` keeps them where they outlive it. An agent never sees which.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from agent.caller import Caller
from agent.turn import StoredTurn

__all__ = ["Memory", "ProcessMemory", "cut", "latest"]

# A microVM serves one session; only a local run and a test see many conversations.
MAX_THREADS = 1024


class Memory(Protocol):
    """Where histories are kept."""

    async def load(self, caller: Caller, thread_id: str) -> list[StoredTurn]:
        """Return the turns of a thread, oldest first."""

    async def save(
        self, caller: Caller, thread_id: str, turn: StoredTurn, after: Sequence[StoredTurn], gone: Sequence[StoredTurn]
    ) -> None:
        """Add `turn` after `after`; `gone` are those of the loaded turns that it replaces."""


def latest(turns: Sequence[StoredTurn], max_messages: int) -> list[StoredTurn]:
    """Return the last of `turns`, as many as have no more than `max_messages` together, but at least one.

    Turns are forgotten whole, so no tool call is kept without its result.
    """
    first, size = len(turns), 0
    while first and (not size or size + len(turns[first - 1].messages) <= max_messages):
        first -= 1
        size += len(turns[first].messages)
    return list(turns[first:])


def cut(turns: list[StoredTurn], input_ids: set[str], before: str | None) -> list[StoredTurn]:
    """Return the turns that stay when a message is edited or an answer made again.

    Args:
        turns: the thread's history.
        input_ids: the message ids of the new input; where one of them is stored, its turn and all after it go.
        before: the id of the message before the input, as the client has it; else what comes after its turn goes.

    Ids that are not known cut nothing.
    """
    for number, turn in enumerate(turns):
        if any(message["id"] in input_ids for message in turn.messages):
            return turns[:number]
    for number, turn in enumerate(turns):
        if any(message["id"] == before for message in turn.messages):
            return turns[: number + 1]
    return turns


class ProcessMemory:
    """Histories in this process, gone with it. Bounded: the oldest turns and conversations go first."""

    def __init__(self, max_messages: int) -> None:
        self._max_messages = max_messages
        self._threads: OrderedDict[tuple[str | None, str], list[StoredTurn]] = OrderedDict()

    async def load(self, caller: Caller, thread_id: str) -> list[StoredTurn]:
        """Return the turns of a thread, oldest first."""
        return list(self._threads.get((caller.user, thread_id), []))

    async def save(
        self, caller: Caller, thread_id: str, turn: StoredTurn, after: Sequence[StoredTurn], gone: Sequence[StoredTurn]
    ) -> None:
        """Add `turn` after `after`."""
        key = (caller.user, thread_id)
        self._threads[key] = latest([*after, turn], self._max_messages)
        self._threads.move_to_end(key)  # the last to be forgotten
        while len(self._threads) > MAX_THREADS:
            self._threads.popitem(last=False)
