"""A Strands interrupt as an AG-UI one, and back: https://docs.ag-ui.com/concepts/interrupts.

An agent that is built anew cannot go on from its messages alone, because the results of the tools that were done beside
the interrupted one are in none of them; a snapshot of the agent has it all, and is kept with the turn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ag_ui.core import Interrupt, ResumeEntry
from strands import Agent
from strands.types._snapshot import Snapshot
from strands.types.session import decode_bytes_values, encode_bytes_values

__all__ = ["interrupts_of", "resume", "snapshot_of"]

REFUSED = {"status": "cancelled"}
"""What `interrupt()` returns in the agent for an answer of status `cancelled`. None would ask the same again."""


def interrupts_of(raised: Sequence[Any]) -> list[Interrupt]:
    """Return Strands interrupts as RUN_FINISHED carries them: `name` as the reason, `reason` as message or metadata."""
    return [
        Interrupt(
            id=one.id,
            reason=one.name,
            message=one.reason if isinstance(one.reason, str) else None,
            metadata=None if one.reason is None or isinstance(one.reason, str) else {"reason": _json(one.reason)},
        )
        for one in raised
    ]


def snapshot_of(agent: Agent) -> Any:
    """Return what `resume` needs, as JSON."""
    return encode_bytes_values(agent.take_snapshot(preset="session").to_dict())


def resume(agent: Agent, snapshot: Any, answers: Sequence[ResumeEntry]) -> list[Any]:
    """Put `agent` back where it was interrupted, and return the prompt with which it goes on."""
    agent.load_snapshot(Snapshot.from_dict(decode_bytes_values(snapshot)))
    return [
        {"interruptResponse": {"interruptId": answer.interrupt_id, "response": _response(answer)}} for answer in answers
    ]


def _response(answer: ResumeEntry) -> Any:
    if answer.status == "cancelled":
        return REFUSED
    return True if answer.payload is None else answer.payload


def _json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
