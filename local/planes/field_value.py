"""What a header's value may hold (RFC 9110, section 5.5)."""

from __future__ import annotations

import re

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def is_field_value(value: bytes) -> bool:
    """Whether a value has no control character except tabs."""
    return not _CONTROL.search(value)
