"""One question with everything up to the end of its answer: what a framework reads, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ag_ui.core import Interrupt, TokenUsage

from agent.request import Run

__all__ = ["PendingInterrupt", "StoredTurn", "Turn", "messages_of", "unanswered_calls"]

Json = dict[str, Any]
"""A message, a block or a state, as JSON has it."""


@dataclass(frozen=True, slots=True)
class PendingInterrupt:
    """What an interrupted turn waits for, and what its framework needs to take it up again (JSON)."""

    interrupts: list[Json]
    """AG-UI interrupts, as RUN_FINISHED carries them."""
    framework: str
    snapshot: Any = None


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One turn of a history. Nobody changes it: whoever wants to change a message copies it first."""

    run_id: str
    digest: str
    """Of the input, so that the same question asked again under the same `run_id` is known as such."""
    messages: list[Json]
    """AG-UI messages: the input with the client's ids, then the answer."""
    outcome: str = "completed"
    """`completed`, `interrupted`, `stopped`, `replaced` or `abandoned`."""
    framework: str | None = None
    native: list[Any] | None = None
    """The turn's messages in the framework's own form; None where only `messages` are known."""
    state: Any = None
    """The thread's AG-UI state after this turn."""
    pending: PendingInterrupt | None = None
    key: str | None = None
    """Where it is stored."""


@dataclass(slots=True)
class Turn:
    """The turn in the making. A framework reads the first three members and sets the others as it learns them."""

    run: Run
    history: Sequence[StoredTurn] = ()
    """Earlier turns of the thread, oldest first."""
    pending: PendingInterrupt | None = None
    """The interrupt that `run.resume` answers."""
    gone: Sequence[StoredTurn] = ()
    """Turns that this one replaces, because an earlier message was edited."""

    framework: str | None = None
    """The framework's name; the core sets it."""
    native: list[Any] | None = None
    """All messages of this turn, the input included, in the framework's own JSON form."""
    usage: list[TokenUsage] = field(default_factory=list)
    stop_reason: str = "end_turn"
    interrupts: list[Interrupt] = field(default_factory=list)
    """What the caller has to answer before the agent can go on."""
    snapshot: Any = None
    """With `interrupts`: what a resume needs, as JSON."""
    not_kept: str | None = None
    """Why this turn is not to be remembered, for the log; None when it is."""


def messages_of(turns: Sequence[StoredTurn]) -> list[Json]:
    """Return the AG-UI messages of `turns`, oldest first."""
    return [message for turn in turns for message in turn.messages]


def unanswered_calls(messages: Sequence[Json]) -> dict[str, Json]:
    """Return the tool calls in `messages` (AG-UI) that have no result, by their id."""
    calls: dict[str, Json] = {}
    for message in messages:
        for call in message.get("toolCalls") or ():
            calls[call["id"]] = call
        if message.get("role") == "tool":
            calls.pop(message["toolCallId"], None)
    return calls
