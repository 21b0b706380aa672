"""The base of all sections: their model, and how a section reports values that contradict each other.

A *contradiction* is a problem between values that are each allowed alone. Sections yield theirs instead of raising,
so that `infra.config` can report every problem of a stack file at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

IMPOSSIBLE = "impossible"
"""The type of the errors whose message already is a sentence."""

WRONG_TYPE = "wrong_type"
"""The type of the errors of a value with the wrong type."""


class Contradiction(NamedTuple):
    """Values that contradict each other.

    Attributes:
        keys: the camelCase keys involved, the one to change first; dotted below their section.
        why: the clause that says why they cannot work.
        instead: the clause that says what to write.
    """

    keys: tuple[str, ...]
    why: str
    instead: str

    def below(self, section: str) -> Contradiction:
        """The same contradiction, with keys relative to the section that contains this one."""
        return self._replace(keys=tuple(f"{section}.{key}" for key in self.keys))


class Settings(BaseModel):
    """A section of the stack file: camelCase keys, no unknown ones, never changed after loading."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        validate_default=True,
        coerce_numbers_to_str=True,  # a guardrail's version 1 is a number to YAML
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_not_boolean(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a boolean for another type: YAML reads yes, no, on and off as booleans, Python those as 1 and 0."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise PydanticCustomError(WRONG_TYPE, "a truth value")
        return value

    @field_validator("*")
    @classmethod
    def _has_no_duplicates(cls, value: Any) -> Any:
        """A repeated entry would be declared twice under one name, or ignored."""
        twice = [each for place, each in enumerate(value) if each in value[:place]] if isinstance(value, list) else []
        if twice:
            shown = " and ".join(each if isinstance(each, str) else "the same" for each in twice)
            raise impossible(f"{shown} should not be listed twice", "write each entry once")
        return value

    def contradictions(self) -> Iterator[Contradiction]:
        """The contradictions between this section's values."""
        yield from ()


def impossible(why: str, instead: str) -> PydanticCustomError:
    """The error of one value that cannot work: two clauses, why and what to write."""
    return PydanticCustomError(IMPOSSIBLE, "{why}; {instead}", {"why": why, "instead": instead})
