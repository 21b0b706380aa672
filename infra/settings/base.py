"""What all sections share: the model they are made of, and how one says that its values contradict each other.

A *contradiction* is a problem between values that are each allowed alone. Sections yield theirs instead of raising,
so that `infra.config` can report every problem of a stack file at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

IMPOSSIBLE = "impossible"
"""The type of the errors whose message already is a sentence."""


class Contradiction(NamedTuple):
    """Values that cannot stand together.

    Attributes:
        keys: the camelCase keys involved, the one to change first; dotted below their section.
        why: the clause that says why they cannot work.
        instead: the clause that says what to write.
    """

    keys: tuple[str, ...]
    why: str
    instead: str


class Settings(BaseModel):
    """A section of the stack file: camelCase keys, no unknown ones, never changed after loading."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, validate_default=True)

    def contradictions(self) -> Iterator[Contradiction]:
        """Everything that is wrong between this section's values."""
        yield from ()


def impossible(why: str, instead: str) -> PydanticCustomError:
    """The error of one value that cannot work: two clauses, why and what to write."""
    return PydanticCustomError(IMPOSSIBLE, "{why}; {instead}", {"why": why, "instead": instead})
