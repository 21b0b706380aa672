"""A turn: one question with everything up to the end of its answer, while it runs and as the history stores it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ag_ui.core import Interrupt, ResumeEntry, TokenUsage

from agent.request import Run

__all__ = [
    "MEDIA_NOTE",
    "NOT_ANSWERED",
    "REFUSED",
    "PendingInterrupt",
    "StoredTurn",
    "Turn",
    "arguments_of",
    "messages_of",
    "response_to_interrupt",
    "unanswered_calls",
]

MEDIA_NOTE = "[{kind} left out of the history]"
NOT_ANSWERED = "The page has not answered this call."
REFUSED = {"status": "cancelled"}
"""The value of `interrupt()` in the agent for an answer with the status `cancelled`."""

Json = dict[str, Any]
"""A message, a content block or a state, as a JSON object."""


@dataclass(frozen=True, slots=True)
class PendingInterrupt:
    """The interrupts that a turn waits for, and the framework's snapshot for resuming it (JSON)."""

    interrupts: list[Json]
    """AG-UI interrupts, as RUN_FINISHED carries them."""
    framework: str
    snapshot: Any = None


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One turn of a history. Treated as immutable, its messages included: copy a message before changing it."""

    run_id: str
    digest: str
    """A digest of the input, which tells a repeated request from another question with the same `run_id`."""
    messages: list[Json]
    """AG-UI messages: the input with the client's ids, then the answer."""
    outcome: str = "completed"
    """`completed`, `interrupted`, `stopped`, `replaced` or `abandoned`."""
    framework: str | None = None
    native: list[Any] | None = None
    """The turn's messages in the framework's own form; None where only `messages` exist."""
    state: Any = None
    """The thread's AG-UI state after this turn."""
    pending: PendingInterrupt | None = None
    key: str | None = None
    """Where it is stored: the memory session and the event ids, separated by spaces."""


@dataclass(slots=True)
class Turn:
    """The turn of a run under way. A framework reads the first three fields and sets those after `framework`."""

    run: Run
    history: Sequence[StoredTurn] = ()
    """Earlier turns of the thread, oldest first."""
    pending: PendingInterrupt | None = None
    """The interrupt that `run.resume` answers."""
    replaced: Sequence[StoredTurn] = ()
    """Turns that this one replaces, because an earlier message was edited."""

    framework: str | None = None
    """The framework's name; the core sets it."""
    native: list[Any] | None = None
    """All messages of this turn, the input included, in the framework's own JSON form."""
    usage: list[TokenUsage] = field(default_factory=list)
    stop_reason: str = "end_turn"
    interrupts: list[Interrupt] = field(default_factory=list)
    """The interrupts that the caller has to answer before the agent continues."""
    snapshot: Any = None
    """With `interrupts`: the framework's snapshot for resuming the agent, as JSON."""
    not_saved: str | None = None
    """Why this turn is not to be saved, for the log; None when it is."""


def messages_of(turns: Sequence[StoredTurn]) -> list[Json]:
    """Return the AG-UI messages of `turns`, oldest first."""
    return [message for turn in turns for message in turn.messages]


def arguments_of(call: Json) -> Any:
    """Return the parsed arguments of an AG-UI tool call, {} if they are not JSON."""
    try:
        return json.loads(call["function"]["arguments"] or "{}")
    except ValueError:
        return {}


def response_to_interrupt(answer: ResumeEntry) -> Any:
    """Return the value for `interrupt()` in the agent. Never None, for which Strands would interrupt again."""
    if answer.status == "cancelled":
        return REFUSED
    return True if answer.payload is None else answer.payload


def unanswered_calls(messages: Sequence[Json]) -> dict[str, Json]:
    """Return the tool calls in `messages` (AG-UI) that have no result, by their id."""
    calls: dict[str, Json] = {}
    for message in messages:
        for call in message.get("toolCalls") or ():
            calls[call["id"]] = call
        if message.get("role") == "tool":
            calls.pop(message["toolCallId"], None)
    return calls
