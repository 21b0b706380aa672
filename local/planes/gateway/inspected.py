"""What a web ACL's rule is evaluated against, and what every statement of a rule can do."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from starlette.datastructures import Headers


@dataclasses.dataclass(slots=True)
class Inspected:
    """What rules see of a request.

    Attributes:
        path: as it was sent, with its percent signs.
        body: no more of it than the inspection limit.
        oversize: whether there was more.
    """

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    oversize: bool
    address: str


class Statement(Protocol):
    """One statement of a rule."""

    def matches(self, inspected: Inspected) -> bool:
        """Whether the request is what the statement describes."""
        ...
