"""Notices about an answer, on standard error."""

from __future__ import annotations

from client.following import Cut
from client.outputs import Outputs
from client.terminal import note


def print_cut(cut: Cut) -> None:
    """Print that the connection was cut, and whether the answer continues or the question is asked again."""
    if cut.has_events:
        note("[the connection was cut; continuing the answer]")
    else:
        note(f"{cut.error} Asking again in {cut.pause:.1f} s.")


def print_how_to_continue(outputs: Outputs, session_id: str) -> None:
    """Print the command that continues the conversation."""
    note(f"\nTo continue: python -m client chat{outputs.option} --session {session_id}")
