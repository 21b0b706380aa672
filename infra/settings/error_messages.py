"""The error messages about a stack file, each a sentence: the key, the value, why it cannot work, what to write."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, get_origin

import pulumi
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from infra.settings.base import IMPOSSIBLE, Contradiction
from infra.settings.describe import allowed, bare, inside, section_model, type_mismatch

HIDDEN = frozenset({"project", "stack"})
"""Fields of the configuration that the engine sets; no stack file contains them."""

KEYS_ELSEWHERE: Mapping[str, str] = {
    "region": "aws:region",
    "project": "The project's name in Pulumi.yaml",
    "stack": "The stack's name",
}
"""Fields of the configuration that are not keys of the project, and where their values are."""

_OUT_OF_BOUNDS: Mapping[str, str] = {
    "greater_than": "it must be above {gt}",
    "greater_than_equal": "{ge} is the least",
    "less_than_equal": "{le} is the most",
    "too_short": "{actual_length} are too few",
    "too_long": "{actual_length} are too many",
}


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


def full_key(project: str, path: tuple[str | int, ...]) -> str:
    """A key as Pulumi names it: ``<project>:<section>.<key>``, an entry of a list by its index."""
    if len(path) == 1 and path[0] in KEYS_ELSEWHERE:
        return KEYS_ELSEWHERE[str(path[0])]
    return f"{project}:" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:]


def misplaced(project: str, key: str) -> str:
    """The error for a key of the project whose value is read from elsewhere, so that it would be ignored."""
    elsewhere = KEYS_ELSEWHERE[key]
    return f"{project}:{key} is not a setting: that is read from {elsewhere[0].lower()}{elsewhere[1:]}; remove it."


def of_another_project(project: str, values: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """The error for keys with another project's name, such as after ``name:`` was changed."""
    named = [key.partition(":") for key in values]
    names = {name for name, _, key in named if key in known and name not in (project, "aws")}
    for name in sorted(names):
        keys = " and ".join(f"{name}:{key}" for other, _, key in named if other == name and key in known)
        yield (
            f"{keys} would be read if the project's name in Pulumi.yaml were {name}, but it is {project}; run "
            f"python -m tools.rename {project}, or write {project} in place of {name}."
        )


def sentence(project: str, root: type[BaseModel], detail: ErrorDetails, hidden: Collection[str] = ()) -> str:
    """One validation error as a sentence; pydantic's own text is for developers.

    No value of a ``hidden`` section is shown, because the sentence ends up in logs.
    """
    path = tuple(
        part for part in detail["loc"] if part != "[key]"
    )  # pydantic's mark for a mapping's key, such as a team's name
    key, kind = full_key(project, path), detail["type"]
    if kind == "extra_forbidden":
        known = _writable_keys(_field_at(root, path[:-1]))
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
        return f"{key} is not a setting; {hint}"
    field = _field_at(root, path)
    if kind == "missing":
        return f"{key} is missing and has no default; write {allowed(field)}."
    if path[0] in hidden:
        return f"{key} is a secret, so it is not shown, but it cannot be used; write {allowed(field)}."
    shown = f"{key} is {_shown(detail['input'])}"
    if kind == IMPOSSIBLE:
        return f"{shown}, but {detail['msg']}."
    bounds = {name: _shown(bound) for name, bound in detail.get("ctx", {}).items()}
    why = _OUT_OF_BOUNDS[kind].format(**bounds) if kind in _OUT_OF_BOUNDS else type_mismatch(field)
    return f"{shown}, but {why}; write {allowed(field)}."


def contradiction_sentence(
    project: str,
    section: str,
    contradiction: Contradiction,
    values: Mapping[str, Any],
    hidden: Collection[str] = (),
) -> str:
    """One contradiction as a sentence; ``values`` is the whole configuration by its keys."""
    path = tuple(part for part in (section, *contradiction.keys[0].split(".")) if part)
    value: Any = values
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    shown = "left out" if value in (None, "", [], {}) else "a secret" if path[0] in hidden else _shown(value)
    return f"{full_key(project, path)} is {shown}, but {contradiction.why}; {contradiction.instead}."


def _shown(value: Any) -> str:
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    text = json.dumps(whole, default=str, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _field_at(root: type[BaseModel], path: tuple[str | int, ...]) -> FieldInfo:
    """The field that a path of keys leads to, through sections, lists and mappings."""
    field = FieldInfo.from_annotation(root)
    for part in path:
        model = section_model(field.annotation)
        if model is not None:
            field = next(each for each in model.model_fields.values() if each.alias == part)
        elif get_origin(bare(field.annotation)) in (list, dict):
            field = inside(field)
    return field


def _writable_keys(field: FieldInfo) -> list[str]:
    model = section_model(field.annotation)
    return [str(each.alias) for name, each in model.model_fields.items() if name not in HIDDEN] if model else []
