"""Histories in AgentCore Memory, where they outlive the microVM; used when AGENT_MEMORY_ID is set.

Goes through the SDK's session manager for Strands, as the message repository it is: its hooks would call
AWS while an agent is constructed on the event loop, and would store a question whose answer was never
finished. Short-term memory only. The SDK takes a failed read for an empty history, and logs it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from functools import lru_cache
from typing import Any

import boto3
from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from strands.types.content import Message, Messages
from strands.types.session import SessionMessage

from agent.errors import AgentError, Code
from agent.request import Run
from agent.settings import Settings

__all__ = ["AgentCoreMemory"]

# The manager wants an agent's name for messages that AgentCore Memory files under the actor.
_AGENT_ID = "default"
# https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference/API_CreateEvent.html
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,99}")


class AgentCoreMemory:
    """Loads and saves turns in threads: one actor per user, one memory session per conversation thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._boto = boto3.Session(region_name=settings.region)
        self._manager = lru_cache(maxsize=64)(self._new_manager)

    async def load(self, run: Run) -> Messages:
        """Return the messages of the run's conversation, oldest first.

        Raises AgentError(INTERNAL) when the memory cannot be reached.
        """
        return await asyncio.to_thread(self._safely, self._load, run)

    async def save(self, run: Run, turn: Messages) -> None:
        """Store one complete turn. Raises AgentError(INTERNAL) when the memory cannot be reached."""
        await asyncio.to_thread(self._safely, self._save, run, turn)

    def _safely(self, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            # Not to be taken for a failure of the model, which boto3 calls too.
            raise AgentError(Code.INTERNAL) from error

    def _load(self, run: Run) -> Messages:
        manager = self._manager(_name(run.user or "anonymous"), _thread(run))
        stored = manager.list_messages(manager.session_id, _AGENT_ID, limit=self._settings.max_messages)
        messages = [message.to_message() for message in stored]
        # The limit may have cut into a turn, and a model refuses an answer without its question or half a tool call.
        while messages and not _is_question(messages[0]):
            messages.pop(0)
        return messages

    def _save(self, run: Run, turn: Messages) -> None:
        manager = self._manager(_name(run.user or "anonymous"), _thread(run))
        for message in turn:
            manager.create_message(manager.session_id, _AGENT_ID, SessionMessage.from_message(message, 0))

    def _new_manager(self, actor_id: str, session_id: str) -> AgentCoreMemorySessionManager:
        config = AgentCoreMemoryConfig(
            memory_id=self._settings.memory_id or "", actor_id=actor_id, session_id=session_id
        )
        return AgentCoreMemorySessionManager(config, region_name=self._settings.region, boto_session=self._boto)


def _is_question(message: Message) -> bool:
    """Whether a turn begins here; tool results have the user's role too."""
    return message["role"] == "user" and any("text" in block for block in message["content"])


def _thread(run: Run) -> str:
    """Return the memory session of a conversation: the session's own id where both are one."""
    if run.thread_id == run.session_id:
        return _name(run.session_id)
    return _name(f"{run.session_id}/{run.thread_id}")


def _name(value: str) -> str:
    """Return `value` where AgentCore Memory takes it as a name, else a digest of it."""
    return value if _NAME.fullmatch(value) else hashlib.sha256(value.encode()).hexdigest()
