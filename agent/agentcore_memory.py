"""Histories in AgentCore Memory, where they outlive the microVM; used when AGENT_MEMORY_ID is set.

A turn is stored as one event with one JSON document, so writing it is atomic: one actor per user, one memory session
per thread. Conversations of earlier releases, stored message by message in the format of the SDK's session manager for
Strands, are still read (`agent/strands/stored.py`). Uses short-term memory only.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from bedrock_agentcore.memory import MemorySessionManager
from bedrock_agentcore.memory.constants import BlobMessage

from agent.aws import check_pattern, session_for
from agent.caller import Caller
from agent.errors import AgentError, Code
from agent.memory import latest
from agent.settings import Settings, as_settings_error
from agent.turn import PendingInterrupt, StoredTurn

__all__ = ["AgentCoreMemory"]

T = TypeVar("T")

# https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference/API_CreateEvent.html
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,99}")
# The member that marks a document of this module; its value is the format's version.
_FORMAT = "agentStreamTurn"


class AgentCoreMemory:
    """Loads and saves turns in threads, off the event loop."""

    def __init__(self, settings: Settings) -> None:
        """Make the client. Blocks. Raises SettingsError when the memory's settings are invalid."""
        memory_id = settings.memory_id or ""
        self._max_messages = settings.max_messages
        with as_settings_error(f"The memory {memory_id}"):
            session = session_for("bedrock-agentcore", settings)
            self._memory = MemorySessionManager(memory_id, settings.region, session)
            check_pattern(
                session.client("bedrock-agentcore"),
                "CreateEvent",
                "memoryId",
                memory_id,
                "AGENT_MEMORY_ID cannot be used: write the id or the ARN of an AgentCore Memory; an id is a name, a "
                "hyphen and ten letters or digits, such as chat-a1B2c3D4e5.",
            )

    async def load(self, caller: Caller, thread_id: str) -> list[StoredTurn]:
        """Return the turns of a thread, oldest first. Raises AgentError(INTERNAL) when they cannot be read."""
        return await asyncio.to_thread(_safely, lambda: self._load(caller, thread_id))

    async def save(
        self,
        caller: Caller,
        thread_id: str,
        turn: StoredTurn,
        after: Sequence[StoredTurn],
        replaced: Sequence[StoredTurn],
    ) -> None:
        """Store `turn`, then delete the turns that it replaces. Raises AgentError(INTERNAL) when that fails."""
        await asyncio.to_thread(_safely, lambda: self._save(caller, thread_id, turn, after, replaced))

    def _load(self, caller: Caller, thread_id: str) -> list[StoredTurn]:
        turns = self._read(_actor(caller), _name(thread_id))
        if not turns and thread_id != caller.session_id:
            # The memory session that earlier releases used.
            turns = self._read(_actor(caller), _name(f"{caller.session_id}/{thread_id}"))
        return latest(turns, self._max_messages)

    def _read(self, actor: str, session: str) -> list[StoredTurn]:
        """Return the newest turns of a memory session, oldest first: those in its last `max_messages` events."""
        events = self._memory.list_events(actor, session, max_results=self._max_messages)
        turns: list[StoredTurn] = []
        older: list[dict[str, Any]] = []
        for event in events:  # newest first; the SDK's Event behaves like a dictionary
            turn = _turn_of(event, session)
            if turn is None:
                older.append(dict(event))
            else:
                turns.append(turn)
        if older:
            from agent.strands.stored import turns_of  # noqa: PLC0415 - loads Strands, needed for the old format only

            turns += reversed(turns_of(older, lambda event_id: _key(session, event_id)))
        return turns[::-1]

    def _save(
        self,
        caller: Caller,
        thread_id: str,
        turn: StoredTurn,
        after: Sequence[StoredTurn],
        replaced: Sequence[StoredTurn],
    ) -> None:
        actor, session = _actor(caller), _name(thread_id)
        elsewhere = [one for one in after if not (one.key or "").startswith(f"{session} ")]
        for one in (*elsewhere, turn):
            document = {_FORMAT: 1, **asdict(replace(one, key=None))}
            self._memory.add_turns(actor, session, [BlobMessage(json.dumps(document))], event_timestamp=_now())
        for one in replaced:
            memory_session, *event_ids = (one.key or "").split()
            for event_id in event_ids:
                self._memory.delete_event(actor, memory_session, event_id)


def _turn_of(event: Any, session: str) -> StoredTurn | None:
    """Return the turn in an event, None for an event of another program or an earlier release."""
    payload = event.get("payload") or [{}]
    blob = payload[0].get("blob")
    try:
        document = json.loads(blob) if isinstance(blob, str) else blob
    except ValueError:
        return None
    if not isinstance(document, dict) or document.pop(_FORMAT, None) != 1:
        return None
    if pending := document.get("pending"):
        document["pending"] = PendingInterrupt(**pending)
    return StoredTurn(**document | {"key": _key(session, event["eventId"])})


def _key(session: str, event_id: str) -> str:
    return f"{session} {event_id}"


def _now() -> datetime:
    return datetime.now(UTC)


def _safely(function: Callable[[], T]) -> T:
    try:
        return function()
    except Exception as error:
        raise AgentError(Code.INTERNAL) from error


def _actor(caller: Caller) -> str:
    return _name(caller.user or "anonymous")


def _name(value: str) -> str:
    """Return `value` if AgentCore Memory accepts it as an id, else its SHA-256 digest."""
    return value if _NAME.fullmatch(value) else hashlib.sha256(value.encode()).hexdigest()
