"""Which kind of stack a name says: ``prod`` carries rules that the others do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Environment = Literal["dev", "staging", "prod"]
"""The kinds of stack, each with the rules of the ones before it and its own."""

# Part of a name, its number left out, and the kind that people mean by it.
_MEANT: Mapping[str, Environment] = {
    "live": "prod",
    "prd": "prod",
    "preprod": "staging",
    "preprd": "staging",
    "pre": "staging",
    "uat": "staging",
    "stg": "staging",
    "qa": "staging",
}


def named_kind(stack: str) -> Environment:
    """The kind that a stack's name begins with; dev for any other name."""
    return "prod" if stack.startswith("prod") else "staging" if stack.startswith("stag") else "dev"


def meant_kind(stack: str) -> Environment:
    """The kind that its words suggest, `named_kind` where they suggest none: ``live`` is more than dev.

    A suggestion binds nobody; it is what a stack file is asked to confirm or to deny.
    """
    words = [word.rstrip("0123456789") for word in stack.split("-")]
    kinds = {_MEANT.get(word, named_kind(word)) for word in words}
    return next((kind for kind in ("prod", "staging") if kind in kinds), "dev")
