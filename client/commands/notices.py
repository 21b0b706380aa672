"""What is said beside an answer, on standard error."""

from __future__ import annotations

from client.following import Cut
from client.outputs import Outputs
from client.terminal import note


def tell_of_cut(cut: Cut) -> None:
    """One quiet line: the answer goes on, or is asked for again."""
    if cut.going_on:
        note("[the connection was cut; going on with the answer]")
    else:
        note(f"{cut.error} Asking again in {cut.pause:.1f} s.")


def tell_how_to_go_on(outputs: Outputs, session_id: str) -> None:
    """How to ask another question in the same conversation."""
    note(f"\nTo go on: python -m client chat{outputs.option} --session {session_id}")
