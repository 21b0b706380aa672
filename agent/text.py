"""Text from models: made of deltas, any of which may cut a character in two."""

from __future__ import annotations

__all__ = ["WholeText", "whole"]


class WholeText:
    """Joins halves of characters (surrogates) that come in two deltas."""

    def __init__(self) -> None:
        self._half = ""

    def add(self, delta: str) -> str:
        """Return what can be sent of `delta` and of what was kept of the one before it."""
        if self._half or not delta.isascii():
            delta = self._half + delta
            self._half = delta[-1:] if "\ud800" <= delta[-1:] <= "\udbff" else ""
            delta = whole(delta.removesuffix(self._half))
        return delta


def whole(raw: str) -> str:
    """Join halves of characters (surrogates) to whole ones, and replace those that have no other half."""
    return raw.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
