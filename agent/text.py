"""A model's text: joins surrogate pairs that deltas split in two, and checks tool arguments."""

from __future__ import annotations

import json

__all__ = ["SurrogateJoiner", "is_json_object", "join_surrogates"]


class SurrogateJoiner:
    """Joins a surrogate pair whose halves arrive in two deltas."""

    def __init__(self) -> None:
        self._half = ""

    def add(self, delta: str) -> str:
        """Return `delta`, with the half that the last one ended with, without a half that it ends with itself."""
        if self._half or not delta.isascii():
            delta = self._half + delta
            self._half = delta[-1:] if "\ud800" <= delta[-1:] <= "\udbff" else ""
            delta = join_surrogates(delta.removesuffix(self._half))
        return delta


def join_surrogates(raw: str) -> str:
    """Join surrogate pairs to characters, and replace each lone surrogate."""
    return raw.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def is_json_object(text: str) -> bool:
    """Whether `text` is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
