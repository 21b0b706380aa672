"""Removes control characters from text of servers, models and users, so that no escape sequence reaches a terminal."""

from __future__ import annotations

import re

# C0 and C1 controls except tab and newline, bidirectional overrides, and lone surrogates, which cannot be encoded.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

MAX_QUOTED = 500
"""The most characters of a server's text that are quoted in a message."""


def sanitized(text: str) -> str:
    """The text without control characters, bidirectional overrides and lone surrogates."""
    return _CONTROL.sub("", text)


def quoted(text: str) -> str:
    """A server's text on one line, cut to `MAX_QUOTED` characters, for use in a message."""
    line = " ".join(sanitized(text).split())
    return line if len(line) <= MAX_QUOTED else f"{line[:MAX_QUOTED]}…"
