"""Reads conversations that earlier releases, or the SDK's session manager for Strands, stored in AgentCore Memory."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from bedrock_agentcore.memory.integrations.strands.bedrock_converter import AgentCoreMemoryConverter
from strands.types.content import Message, Messages

from agent.strands.messages import is_complete, to_ag_ui
from agent.turn import StoredTurn

__all__ = ["turns_of"]


def turns_of(events: list[dict[str, Any]], key: Callable[[str], str]) -> list[StoredTurn]:
    """Return the complete turns in `events` (newest first), oldest first; `key` makes a turn's key from event ids.

    A writer that stores message by message may leave incomplete turns; they are skipped.
    """
    turns: list[tuple[Messages, list[str]]] = []
    for event in reversed(events):
        for stored in AgentCoreMemoryConverter.events_to_messages([event]):
            message = stored.to_message()
            if not turns or _is_question(message):
                turns.append(([], []))
            messages, event_ids = turns[-1]
            messages.append(message)
            if event["eventId"] not in event_ids:
                event_ids.append(event["eventId"])
    return [
        StoredTurn(
            run_id=str(uuid.uuid4()),
            digest="",
            messages=to_ag_ui(messages, event_ids[0]),
            framework="strands",
            native=list(messages),
            key=key(" ".join(event_ids)),
        )
        for messages, event_ids in turns
        if is_complete(messages)
    ]


def _is_question(message: Message) -> bool:
    """Whether a turn begins here; tool results have the user's role too."""
    return message["role"] == "user" and not any("toolResult" in block for block in message["content"])
