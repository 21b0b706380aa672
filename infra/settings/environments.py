"""Derives the kind of a stack from its name; ``prod`` has rules that the others do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Environment = Literal["dev", "staging", "prod"]
"""The kinds of stack, each with the rules of the ones before it and its own."""

# Words in a name, without a number at their end, and the kind that they suggest.
_SUGGESTED: Mapping[str, Environment] = {
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


def suggested_kind(stack: str) -> Environment:
    """The kind that the words in its name suggest, such as prod for ``live``; otherwise its `named_kind`.

    A suggestion has no effect by itself: the stack file must confirm or reject it.
    """
    words = [word.rstrip("0123456789") for word in stack.split("-")]
    kinds = {_SUGGESTED.get(word, named_kind(word)) for word in words}
    return next((kind for kind in ("prod", "staging") if kind in kinds), "dev")
