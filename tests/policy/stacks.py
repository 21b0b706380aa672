"""Stacks as Pulumi shows them to a policy pack: every resource with its outputs, known or not."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from local.program.evaluate import evaluate, read_settings
from local.program.graph import Graph
from local.program.provider import UnknownProvider
from policy.graph import Declared, Stack
from policy.rules import RULES, Rule
from tests.infra.graph_cache import kept
from tests.infra.graphs import WEBSITE, a_built_page, changed_settings

UNKNOWN = UNKNOWN_STRING_VALUE
"""How the engine, and an evaluated preview, mark a value that is not known yet."""


def declared(graph: Graph) -> list[Declared]:
    """Every resource with its outputs as they came over the wire, for a test to change."""
    return [Declared(each.type, each.name, each.urn, dict(each.outputs)) for each in graph.resources]


def as_inputs(graph: Graph) -> list[Declared]:
    """Every resource with what the program declared: what a policy on one resource is shown before it is made."""
    return [Declared(each.type, each.name, each.urn, dict(each.inputs)) for each in graph.resources]


@cache
def first_preview(stack: str, *, website: bool = False) -> Graph:
    """`evaluated_first_preview`, kept until a source changes."""
    key = f"a first preview of {stack}{', with a page' if website else ''}"
    return kept(key, lambda: evaluated_first_preview(stack, website=website))


def evaluated_first_preview(stack: str, *, website: bool = False) -> Graph:
    """An environment before it is deployed: what the provider may decide is unknown, whether anybody asks or not."""
    settings = changed_settings(stack, WEBSITE) if website else read_settings(stack)
    with a_built_page():
        graph = evaluate(stack, UnknownProvider(), settings=settings, preview=True)
    resources = (
        replace(each, outputs={**dict.fromkeys(filled_in(each.type), UNKNOWN), **each.inputs})
        for each in graph.resources
    )
    return replace(graph, resources=tuple(resources))


@cache
def filled_in(type_: str) -> tuple[str, ...]:
    """The outputs that a resource has whether it was given them or not: pulumi_aws does not call these optional."""
    package, module, name = type_.split(":")
    if package != "aws":
        return ()
    class_ = getattr(importlib.import_module(f"pulumi_aws.{module.partition('/')[0]}"), name)
    getters = (member.fget for _, member in inspect.getmembers(class_, lambda member: isinstance(member, property)))
    # `pulumi.getter` notes the camelCase name on the function.
    named = {getter._pulumi_name: getter for getter in getters if hasattr(getter, "_pulumi_name")}
    return tuple(key for key, getter in named.items() if not _is_optional(getter))


def _is_optional(getter: Any) -> bool:
    """Whether a property is an ``Output[Optional[...]]``."""
    (held,) = typing.get_args(inspect.signature(getter).return_annotation)
    return type(None) in typing.get_args(held)


def guarded(resource: Declared) -> Declared:
    """The resource as pulumi_policy hands it out: reading what is unknown raises."""
    return replace(resource, outputs=unknown_checking_proxy(dict(resource.outputs)))


def broken(resources: Iterable[Declared]) -> dict[str, list[str]]:
    """The rules that find something, each with its messages."""
    return judged(map(guarded, resources))


def broken_by_itself(resources: Iterable[Declared]) -> dict[str, list[str]]:
    """The rules that find something in the inputs of one resource, whatever the others are."""
    alone = [Stack([guarded(each)]) for each in resources]
    found = {
        rule.name: [message for one in alone for _, message in rule.single_resource.findings(one)] for rule in RULES
    }
    return {name: messages for name, messages in found.items() if messages}


def judged(resources: Iterable[Declared], rules: Iterable[Rule] = RULES) -> dict[str, list[str]]:
    """As `broken`, for resources that are guarded already."""
    stack = Stack(resources)
    found = {rule.name: [message for _, message in rule.findings(stack)] for rule in rules}
    return {name: messages for name, messages in found.items() if messages}


class Watched(Mapping[str, Any]):
    """A resource's outputs, which tell which of them are read."""

    def __init__(self, outputs: Mapping[str, Any], read: Callable[[str], None]) -> None:
        self._outputs, self._read = outputs, read

    def __getitem__(self, key: str) -> Any:
        self._read(key)
        return self._outputs[key]

    def __iter__(self) -> Iterator[str]:
        for key in self._outputs:
            self._read(key)
            yield key

    def __len__(self) -> int:
        return len([*self])


def readers(resources: Iterable[Declared]) -> dict[tuple[str, str], list[Rule]]:
    """The rules that read each output, by its resource's URN and its key: what the others find is the same without."""
    found: dict[tuple[str, str], list[Rule]] = defaultdict(list)
    for rule in RULES:
        read: set[tuple[str, str]] = set()

        def watched(each: Declared, read: set[tuple[str, str]] = read) -> Declared:
            return replace(each, outputs=Watched(each.outputs, lambda key: read.add((each.urn, key))))

        list(rule.findings(Stack(map(watched, resources))))
        for output in read:
            found[output].append(rule)
    return found
