"""The request as a web ACL inspects it, and the protocol of a rule's statement."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from starlette.datastructures import Headers


@dataclasses.dataclass(slots=True)
class Inspected:
    """The components of a request that rules inspect.

    Attributes:
        path: as it was sent, percent-encoded.
        body: up to the inspection limit.
        oversize: whether the body is larger than the inspection limit.
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
        """Whether the request matches the statement."""
        ...
