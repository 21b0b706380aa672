"""Edits of a stack: its resources in, its resources out, something changed. What goes in stays as it is.

A type token may be cut short, as for `policy.graph.Stack.all`.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from typing import Any

from policy.graph import Declared
from tests.policy.stacks import UNKNOWN

Outputs = dict[str, Any]
Change = Callable[[Outputs], None]
"""Changes the outputs of one resource in place."""
Edit = Callable[[list[Declared]], list[Declared]]


def anything(_outputs: Outputs) -> bool:
    return True


def changed(type_: str, *changes: Change, where: Callable[[Outputs], bool] = anything) -> Edit:
    """The resources of a type that match, changed."""

    def edit(resources: list[Declared]) -> list[Declared]:
        matching = _matching(resources, type_, where)
        return [_with(each, changes) if each in matching else each for each in resources]

    return edit


def removed(type_: str, where: Callable[[Outputs], bool] = anything) -> Edit:
    """The resources of a type that match, gone."""

    def edit(resources: list[Declared]) -> list[Declared]:
        matching = _matching(resources, type_, where)
        return [each for each in resources if each not in matching]

    return edit


def copied(type_: str, *changes: Change, where: Callable[[Outputs], bool] = anything) -> Edit:
    """A second resource like the first that matches, with changes."""

    def edit(resources: list[Declared]) -> list[Declared]:
        first, *_ = _matching(resources, type_, where)
        return [*resources, dataclasses.replace(_with(first, changes), name="second")]

    return edit


def added(type_: str, **outputs: Any) -> Edit:
    """One more resource."""
    return lambda resources: [*resources, Declared(type_, "added", f"{resources[0].urn}-added", outputs)]


def together(*edits: Edit) -> Edit:
    """Several edits that make one mistake."""

    def edit(resources: list[Declared]) -> list[Declared]:
        for each in edits:
            resources = each(resources)
        return resources

    return edit


def _matching(resources: list[Declared], type_: str, where: Callable[[Outputs], bool]) -> list[Declared]:
    found = [each for each in resources if each.type.startswith(type_) and where(dict(each.outputs))]
    assert found, f"nothing to edit among the resources of {type_}"
    return found


def _with(resource: Declared, changes: tuple[Change, ...]) -> Declared:
    outputs = copy.deepcopy(dict(resource.outputs))
    for change in changes:
        change(outputs)
    return dataclasses.replace(resource, outputs=outputs)


def put(value: Any, *path: str) -> Change:
    """Sets a nested output."""

    def change(outputs: Outputs) -> None:
        holder = outputs
        for key in path[:-1]:
            holder = holder.setdefault(key, {})
        holder[path[-1]] = value

    return change


def drop(*path: str) -> Change:
    """Removes a nested output."""

    def change(outputs: Outputs) -> None:
        holder = outputs
        for key in path[:-1]:
            holder = holder[key]
        holder.pop(path[-1], None)

    return change


def text(key: str, old: str, new: str) -> Change:
    """Replaces a part of a text; of one that is not known yet, all of it."""

    def change(outputs: Outputs) -> None:
        outputs[key] = new if outputs[key] == UNKNOWN else outputs[key].replace(old, new)

    return change


def statement(key: str, /, **members: Any) -> Change:
    """Adds a statement to a policy document."""

    def change(outputs: Outputs) -> None:
        document = {"Statement": []} if outputs[key] == UNKNOWN else json.loads(outputs[key])
        document["Statement"].append({"Effect": "Allow", **members})
        outputs[key] = json.dumps(document)

    return change
