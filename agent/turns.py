"""Prepares the turn of a question from the thread's history: applies edits, and matches tool results to their calls."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ag_ui.core import BaseEvent, CustomEvent, Message, MessagesSnapshotEvent, ToolMessage
from pydantic import TypeAdapter, ValidationError

from agent.caller import Caller
from agent.errors import bad_request
from agent.media import with_media
from agent.memory import Memory, cut
from agent.request import Run
from agent.settings import Settings
from agent.turn import MEDIA_NOTE, NOT_ANSWERED, Json, StoredTurn, Turn, messages_of, unanswered_calls

__all__ = ["Prepared", "Turns", "snapshot_of"]

_MESSAGES: TypeAdapter[list[Message]] = TypeAdapter(list[Message])


@dataclass
class Prepared:
    """One question with its history."""

    turn: Turn
    events: list[BaseEvent] = field(default_factory=list)
    """Events for the caller, to be sent before the agent starts."""
    answered: bool = False
    """Whether the same question was answered before, so that the agent is not run."""


class Turns:
    """Loads the history that a question continues, and saves its turn."""

    def __init__(self, memory: asyncio.Future[Memory], settings: Settings) -> None:
        self._memory = memory
        self._settings = settings

    async def history(self, caller: Caller, thread_id: str) -> list[StoredTurn]:
        """Return the turns of a thread, oldest first."""
        return await (await asyncio.shield(self._memory)).load(caller, thread_id)

    async def prepare(self, run: Run) -> Prepared:
        """Return the turn that `run` begins.

        Raises RefusalError(INVALID_INPUT) if its tool results or its resume match nothing that is pending.
        """
        stored = await self.history(_caller(run), run.thread_id)
        known = next((turn for turn in stored if turn.run_id == run.run_id), None)
        if known is not None:
            if known.digest != run.digest:
                raise bad_request("its runId belongs to another question; send a new one")
            return Prepared(Turn(run, history=stored), [snapshot_of(messages_of(stored))], answered=True)
        before = run.earlier[-1].get("id") if run.earlier else None
        asked_ids = {message.id for message in run.input if not isinstance(message, ToolMessage)}
        turns = cut(stored, asked_ids, before if isinstance(before, str) else None)
        events: list[BaseEvent] = []
        if not stored and run.earlier:
            if self._settings.caller_history == "use":
                turns = _said_by_caller(run.earlier)
            else:
                events.append(_warning("HISTORY_UNKNOWN", "The agent has no history of this conversation."))
        pending = turns[-1].pending if turns else None
        if run.resume:
            _check_resume(run, [one["id"] for one in pending.interrupts] if pending else [])
        asked, unknown = _input(run, turns)
        if unknown:
            events.append(_warning("RESULT_UNKNOWN", "Tool results that belong to no pending call were left out."))
        if not asked and not run.resume:
            raise bad_request("its tool results belong to no pending call")
        if any(isinstance(getattr(one, "content", None), list) for one in asked):
            asked = list((await with_media(replace(run, input=tuple(asked)), self._settings)).input)
        state = run.state or (turns[-1].state if turns else None) or run.state
        run = replace(run, input=tuple(asked), history=tuple(messages_of(turns)), state=state)
        return Prepared(
            Turn(run, history=turns, pending=pending if run.resume else None, replaced=stored[len(turns) :]), events
        )

    async def save(self, turn: Turn, stored: StoredTurn) -> None:
        """Add `stored` to the history that `turn` continues."""
        memory = await asyncio.shield(self._memory)
        await memory.save(_caller(turn.run), turn.run.thread_id, stored, turn.history, turn.replaced)

    def for_history(self, messages: list[Json]) -> list[Json]:
        """Return `messages` for the history: media are replaced by notes, unless AGENT_KEEP_MEDIA is `keep`."""
        if self._settings.keep_media == "keep":
            return messages
        return [
            {**one, "content": [_noted(part) for part in one["content"]]}
            if isinstance(one.get("content"), list)
            else one
            for one in messages
        ]


def snapshot_of(messages: Sequence[Json]) -> MessagesSnapshotEvent:
    """Return a MESSAGES_SNAPSHOT of stored messages; those that are not valid AG-UI messages are left out."""
    try:
        return MessagesSnapshotEvent(messages=_MESSAGES.validate_python(list(messages)))
    except ValidationError:
        known: list[Any] = []
        for message in messages:
            try:
                known += _MESSAGES.validate_python([message])
            except ValidationError:
                continue
        return MessagesSnapshotEvent(messages=known)


def _caller(run: Run) -> Caller:
    return Caller(user=run.user, session_id=run.session_id, request_id=run.request_id, new_session=False)


def _input(run: Run, turns: list[StoredTurn]) -> tuple[list[Message], bool]:
    """Return the input with a result for every pending call, and whether results for other calls were left out."""
    pending = unanswered_calls(messages_of(turns))
    # The client's conversation may also end with results of the agent's own tools, called beside the page's.
    known = {message["toolCallId"] for message in messages_of(turns) if message.get("role") == "tool"}
    results = [one for one in run.input if isinstance(one, ToolMessage) and one.tool_call_id not in known]
    matching = [one for one in results if one.tool_call_id in pending]
    others: list[Message] = [one for one in run.input if not isinstance(one, ToolMessage)]
    missing: list[Message] = []
    if not run.resume:
        missing = [
            ToolMessage(
                id=str(uuid.uuid4()),
                tool_call_id=call_id,
                content=NOT_ANSWERED,
                error="not answered",
            )
            for call_id in pending
            if call_id not in {one.tool_call_id for one in matching}
        ]
    if not matching and not others:
        missing = []
    return [*matching, *missing, *others], len(matching) < len(results)


def _check_resume(run: Run, pending: list[str]) -> None:
    asked = [one.interrupt_id for one in run.resume]
    if not pending:
        what = "no interrupt is pending in this thread"
    elif sorted(asked) != sorted(pending):
        what = f"resume must answer the pending interrupts, each once: {', '.join(pending)}"
    else:
        return
    raise bad_request(what)


def _said_by_caller(earlier: Sequence[Json]) -> list[StoredTurn]:
    """Return the caller's earlier messages as turns, without system and developer messages: the operator sets those."""
    turns: list[StoredTurn] = []
    for message in earlier:
        if message.get("role") not in {"user", "assistant", "tool"} or not isinstance(message.get("id"), str):
            continue
        try:
            _MESSAGES.validate_python([message])
        except ValidationError:
            continue
        if message["role"] == "user" or not turns:
            turns.append(StoredTurn(run_id="", digest="", messages=[]))
        turns[-1].messages.append(message)
    return turns


def _noted(part: Json) -> Json:
    kind = part.get("type")
    return part if kind == "text" else {"type": "text", "text": MEDIA_NOTE.format(kind=kind)}


def _warning(code: str, message: str) -> CustomEvent:
    return CustomEvent(name="warning", value={"code": code, "message": message})
