"""Histories in AgentCore Memory, where they outlive the microVM; used when AGENT_MEMORY_ID is set.

A turn is stored as one event, so it is there whole or not at all. Messages have the form that the SDK's session
manager for Strands gives them, so either can read what the other wrote; the manager itself is not used, because it
stores a message at a time and takes a failed read for an empty history. Short-term memory only.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from bedrock_agentcore.memory import MemorySessionManager
from bedrock_agentcore.memory.constants import BlobMessage, ConversationalMessage, MessageRole
from bedrock_agentcore.memory.integrations.strands.bedrock_converter import AgentCoreMemoryConverter
from strands.types.content import Message, Messages
from strands.types.session import SessionMessage

from agent.aws import check_form, session_for
from agent.errors import AgentError, Code
from agent.memory import is_whole, latest
from agent.request import Run
from agent.settings import Settings, making

__all__ = ["AgentCoreMemory"]

T = TypeVar("T")

# https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference/API_CreateEvent.html
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,99}")
_EVENT_MESSAGES = 100


class AgentCoreMemory:
    """Loads and saves turns in threads: one actor per user, one memory session per conversation thread."""

    def __init__(self, settings: Settings) -> None:
        """Make the client. Blocks. Raises SettingsError when the memory's settings cannot work."""
        memory_id = settings.memory_id or ""
        self._max_messages = settings.max_messages
        with making(f"The memory {memory_id}"):
            session = session_for("bedrock-agentcore", settings)
            self._memory = MemorySessionManager(memory_id, settings.region, session)
            check_form(
                session.client("bedrock-agentcore"),
                "CreateEvent",
                "memoryId",
                memory_id,
                "AGENT_MEMORY_ID cannot be used: write the id or the ARN of an AgentCore Memory; an id is a name, a "
                "hyphen and ten letters or digits, such as chat-a1B2c3D4e5.",
            )

    async def load(self, run: Run) -> Messages:
        """Return the messages of the run's conversation, oldest first.

        Raises AgentError(INTERNAL) when the memory cannot be reached.
        """
        return await asyncio.to_thread(_safely, lambda: self._load(run))

    async def save(self, run: Run, turn: Messages) -> None:
        """Store one whole turn. Raises AgentError(INTERNAL) when the memory cannot be reached."""
        await asyncio.to_thread(_safely, lambda: self._save(run, turn))

    def _load(self, run: Run) -> Messages:
        events = self._memory.list_events(_actor(run), _thread(run), max_results=self._max_messages)
        # The SDK's events are dictionaries in all but name.
        stored = AgentCoreMemoryConverter.events_to_messages(cast("list[dict[str, Any]]", events))
        turns: list[Messages] = [[]]
        for message in (one.to_message() for one in stored):
            if _is_question(message):
                turns.append([])
            turns[-1].append(message)
        # The first may have been cut by the limit; others were left behind by a writer that stores message by message.
        whole = [turn for turn in turns if is_whole(turn)]
        return [message for turn in latest(whole, self._max_messages) for message in turn]

    def _save(self, run: Run, turn: Messages) -> None:
        now = datetime.now(UTC)
        for first in range(0, len(turn), _EVENT_MESSAGES):
            # The service orders events by the millisecond.
            time = now + timedelta(milliseconds=first)
            part = [_stored(message) for message in turn[first : first + _EVENT_MESSAGES]]
            self._memory.add_turns(_actor(run), _thread(run), part, event_timestamp=time)


def _safely(function: Callable[[], T]) -> T:
    try:
        return function()
    except Exception as error:
        raise AgentError(Code.INTERNAL) from error


def _stored(message: Message) -> ConversationalMessage | BlobMessage:
    """Return a message as it is stored: as conversation, or as a document where it is too long for that."""
    ((text, role),) = AgentCoreMemoryConverter.message_to_payload(SessionMessage.from_message(message, 0))
    if AgentCoreMemoryConverter.exceeds_conversational_limit((text, role)):
        return BlobMessage(json.dumps((text, role)))
    return ConversationalMessage(text, MessageRole(role.upper()))


def _is_question(message: Message) -> bool:
    """Whether a turn begins here; tool results have the user's role too."""
    return message["role"] == "user" and not any("toolResult" in block for block in message["content"])


def _actor(run: Run) -> str:
    return _name(run.user or "anonymous")


def _thread(run: Run) -> str:
    """Return the memory session of a conversation: the session's own id where both are one."""
    if run.thread_id == run.session_id:
        return _name(run.session_id)
    return _name(f"{run.session_id}/{run.thread_id}")


def _name(value: str) -> str:
    """Return `value` where AgentCore Memory takes it as a name, else a digest of it."""
    return value if _NAME.fullmatch(value) else hashlib.sha256(value.encode()).hexdigest()
