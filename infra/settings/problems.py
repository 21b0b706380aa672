"""Turns what is wrong with a stack file into sentences: the key, the value, why it cannot work, what to write."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pulumi
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from infra.settings.base import IMPOSSIBLE, Contradiction

HIDDEN = frozenset({"project", "stack"})
"""Fields of the configuration that the engine fills in; nobody can write them."""


class SettingsError(pulumi.RunError):
    """Raised with every problem found in a stack's settings; Pulumi prints it without a traceback.

    Attributes:
        problems: one sentence each.
    """

    def __init__(self, stack: str, problems: list[str]) -> None:
        self.problems = problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        super().__init__(f"Pulumi.{stack}.yaml has {count}; nothing was declared:\n{lines}")


def full_key(project: str, path: tuple[str, ...]) -> str:
    """A key as it stands in the stack file: ``<project>:<section>.<key>``, or ``aws:region``."""
    return "aws:region" if path[:1] == ("region",) else f"{project}:{'.'.join(path)}"


def sentence(project: str, root: type[BaseModel], detail: ErrorDetails) -> str:
    """One validation error as a sentence."""
    path = tuple(str(part) for part in detail["loc"])
    key = full_key(project, path)
    kind = detail["type"]
    if kind == "missing":
        return f"{key} is missing; write {key}: <value> under config."
    if kind == "extra_forbidden":
        known = list(_writable_keys(root, path[:-1]))
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
        return f"{key} is not a setting; {hint}"
    if kind == IMPOSSIBLE:
        return f"{key} is {_shown(detail['input'])}, but {detail['msg']}."
    reason = detail["msg"].removeprefix("Value error, ")
    return f"{key} is {_shown(detail['input'])}, but {reason[0].lower()}{reason[1:]}; write another value."


def contradiction_sentence(project: str, section: str, contradiction: Contradiction, values: Mapping[str, Any]) -> str:
    """One contradiction as a sentence; ``values`` is the whole configuration by its keys."""
    path = tuple(part for part in (section, *contradiction.keys[0].split(".")) if part)
    value: Any = values
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    shown = "left out" if value in (None, "", [], {}) else _shown(value)
    return f"{full_key(project, path)} is {shown}, but {contradiction.why}; {contradiction.instead}."


def _shown(value: Any) -> str:
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    text = json.dumps(whole, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def section_model(annotation: Any) -> type[BaseModel] | None:
    """The model behind a field's annotation, looking through ``| None``."""
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return next((each for each in options if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _writable_keys(root: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    model: type[BaseModel] | None = root
    for part in path:
        fields = model.model_fields.values() if model else ()
        model = next((section_model(field.annotation) for field in fields if field.alias == part), None)
    for name, field in model.model_fields.items() if model else ():
        if name not in HIDDEN:
            yield field.alias or name
