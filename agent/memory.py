"""What was said before: the history of each conversation, kept by turns.

A turn is one question with everything up to the end of its answer. One that is not whole is not kept: a model
refuses a history with half a tool call or an empty message in it, and with it every later question. Histories are
kept per user, session and thread, in this process; `agentcore_memory` keeps them where they outlive it. An agent
never sees which.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Protocol

from strands.types.content import Messages

from agent.request import Run

__all__ = ["Memory", "ProcessMemory", "is_whole", "latest"]

# A microVM serves one session; only a local run and a test see many conversations.
MAX_THREADS = 1024


class Memory(Protocol):
    """Where histories are kept."""

    async def load(self, run: Run) -> Messages:
        """Return the messages of the run's conversation, oldest first, as the caller's own to change."""

    async def save(self, run: Run, turn: Messages) -> None:
        """Add one whole turn."""


def is_whole(turn: Messages) -> bool:
    """Whether `turn` may be part of a history.

    It begins with the user and ends with the assistant, every tool call is followed by its result, no result comes
    without its call, and no message is empty. A blank text beside something else does no harm: Strands leaves it out.
    """
    calls: set[str] = set()
    for message in turn:
        blocks = message["content"]
        if all("text" in block and not block["text"].strip() for block in blocks):
            return False
        if {block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block} != calls:
            return False
        calls = {block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block}
    return bool(turn) and turn[0]["role"] == "user" and turn[-1]["role"] == "assistant" and not calls


def latest(turns: list[Messages], max_messages: int) -> list[Messages]:
    """Return the last of `turns`, as many as have no more than `max_messages` together, but at least one.

    Turns are forgotten whole, so no tool call is kept without its result.
    """
    first, size = len(turns), 0
    while first and (not size or size + len(turns[first - 1]) <= max_messages):
        first -= 1
        size += len(turns[first])
    return turns[first:]


class ProcessMemory:
    """Histories in this process, gone with it. Bounded: the oldest turns and conversations go first."""

    def __init__(self, max_messages: int) -> None:
        self._max_messages = max_messages
        self._threads: OrderedDict[tuple[str | None, str, str], list[Messages]] = OrderedDict()

    async def load(self, run: Run) -> Messages:
        """Return the messages of the run's conversation, oldest first, as the caller's own to change."""
        turns = self._threads.get(_key(run), [])
        return copy.deepcopy([message for turn in turns for message in turn])

    async def save(self, run: Run, turn: Messages) -> None:
        """Add one whole turn: as it is now, for an agent may go on changing its messages."""
        turns = [*self._threads.pop(_key(run), []), copy.deepcopy(turn)]
        self._threads[_key(run)] = latest(turns, self._max_messages)  # at the end: the last to be forgotten
        while len(self._threads) > MAX_THREADS:
            self._threads.popitem(last=False)


def _key(run: Run) -> tuple[str | None, str, str]:
    return run.user, run.session_id, run.thread_id
