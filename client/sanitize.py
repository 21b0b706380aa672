"""What a server, a model or a user's record says is shown, never obeyed: no escape sequence reaches the terminal."""

from __future__ import annotations

import re

# C0 and C1 controls but for tab and newline, marks that reverse the direction of writing, and halves of surrogate
# pairs, which no encoding can write.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

WORDS_OF_OTHERS = 500
"""Characters of what a server says that are quoted in a sentence of ours."""


def harmless(text: str) -> str:
    """The text without control characters and without marks that reverse the direction of writing."""
    return _CONTROL.sub("", text)


def quoted(text: str) -> str:
    """What a server says, as a part of one line of ours."""
    line = " ".join(harmless(text).split())
    return line if len(line) <= WORDS_OF_OTHERS else f"{line[:WORDS_OF_OTHERS]}…"
