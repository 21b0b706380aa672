"""WAF's text transformations, applied to a component of a request before it is matched or counted.

Source: https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-transformation.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

Transformation = Callable[[bytes], bytes]

KNOWN: Mapping[str, Transformation] = {
    "NONE": lambda text: text,
    "LOWERCASE": bytes.lower,
    "URL_DECODE": lambda text: unquote(text.decode("latin-1"), "latin-1").encode("latin-1"),
    "COMPRESS_WHITE_SPACE": lambda text: re.sub(rb"\s+", b" ", text),
    "REMOVE_WHITESPACE": lambda text: re.sub(rb"\s", b"", text),
    "TRIM": bytes.strip,
}


def names(declared: Mapping[str, Any]) -> list[str]:
    """The transformations that a statement or a key declares, in the order in which they are applied."""
    transformations = declared.get("textTransformations") or ()
    return [str(one["type"]) for one in sorted(transformations, key=lambda one: int(one["priority"]))]


def applied(transformations: Sequence[Transformation], text: bytes) -> bytes:
    """The text after all transformations, in order."""
    for transform in transformations:
        text = transform(text)
    return text
