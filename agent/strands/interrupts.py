"""Converts between Strands' interrupts and AG-UI's: https://docs.ag-ui.com/concepts/interrupts.

A new agent cannot resume from the messages alone: they do not contain the results of tools that finished beside the
interrupted one. A snapshot of the agent does, and is stored with the turn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ag_ui.core import Interrupt, ResumeEntry
from strands import Agent
from strands.types._snapshot import Snapshot
from strands.types.session import decode_bytes_values, encode_bytes_values

from agent.turn import response_to_interrupt

__all__ = ["interrupts_of", "resume", "snapshot_of"]


def interrupts_of(raised: Sequence[Any]) -> list[Interrupt]:
    """Return Strands interrupts as AG-UI's: `name` becomes the reason, `reason` the message or metadata."""
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
    """Return the agent's snapshot for `resume`, as JSON."""
    return encode_bytes_values(agent.take_snapshot(preset="session").to_dict())


def resume(agent: Agent, snapshot: Any, answers: Sequence[ResumeEntry]) -> list[Any]:
    """Restore `agent` to the point of its interrupt, and return the prompt that resumes it."""
    agent.load_snapshot(Snapshot.from_dict(decode_bytes_values(snapshot)))
    return [
        {"interruptResponse": {"interruptId": answer.interrupt_id, "response": response_to_interrupt(answer)}}
        for answer in answers
    ]


def _json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
