"""Describes the allowed values of a setting, for error messages and for the reference page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.settings.patterns import Pattern

SECTION = "keys of its own, indented below it"


def allowed(field: FieldInfo, mark: Callable[[str], str] = str) -> str:
    """The allowed values of a field, to complete the sentence "write …"; ``mark`` formats literal YAML."""
    form = _first(field, Pattern)
    if form is not None:
        return str(form.description)
    annotation = bare(field.annotation)
    kind = get_origin(annotation) or annotation
    if kind in (Literal, bool):
        return _either(mark(str(choice)) for choice in get_args(annotation) or ("true", "false"))
    if kind is list:
        return f"a list of {_count(field)}, each {allowed(inside(field), mark)}"
    if kind is dict:
        held = inside(field)
        return f"{_count(field)} names, each with {SECTION if section_model(held.annotation) else allowed(held, mark)}"
    if kind in (int, float):
        return ("a whole number " if kind is int else "a number ") + _bounds(field)
    return "text" if kind is str else SECTION


def type_mismatch(field: FieldInfo) -> str:
    """The clause for a value that does not have the field's type."""
    annotation = bare(field.annotation)
    kind = get_origin(annotation) or annotation
    clauses: dict[Any, str] = {
        Literal: "that is not one of the choices",
        bool: "that is neither true nor false",
        list: "that is not a list",
        int: "that is not a whole number",
        float: "that is not a number",
        str: "that is not text",
    }
    return clauses.get(kind, "a section is not a single value")


def bare(annotation: Any) -> Any:
    """A type without ``| None``."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return next(choice for choice in get_args(annotation) if choice is not NoneType)


def inside(field: FieldInfo) -> FieldInfo:
    """The field of a list's entries, or of a mapping's values."""
    return FieldInfo.from_annotation(get_args(bare(field.annotation))[-1])


def section_model(annotation: Any) -> type[BaseModel] | None:
    """The model behind a field's annotation, looking through ``| None``."""
    model = bare(annotation)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _first(field: FieldInfo, kind: type[Any]) -> Any:
    return next((each for each in field.metadata if isinstance(each, kind)), None)


def _bounds(field: FieldInfo) -> str:
    low, above, high = (_first(field, kind) for kind in (Ge, Gt, Le))
    if low and high:
        return f"from {low.ge} to {high.le}"
    start = f"of at least {low.ge}" if low else f"above {above.gt}"
    return f"{start} and at most {high.le}" if high else start


def _count(field: FieldInfo) -> str:
    least, most = _first(field, MinLen), _first(field, MaxLen)
    return f"{least.min_length} to {most.max_length}" if least else f"at most {most.max_length}"


def _either(choices: Iterable[str]) -> str:
    *first, last = choices
    return f"{', '.join(first)} or {last}"
