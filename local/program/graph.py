"""The resource graph: what ``__main__.py`` declares, without the Pulumi engine and without AWS.

Owns the data model of the graph; `evaluate` fills it. Ids, ARNs and addresses come from a `Provider`: mocked, to look
at the graph, or from an emulator in which the local run's user pool exists.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Protocol


class ProgramError(Exception):
    """An error that the user can correct, such as in the program, a setting or a port; the message is one sentence."""


@dataclasses.dataclass(frozen=True, slots=True)
class Resource:
    """One declared resource.

    Attributes:
        type: the Pulumi type token, such as ``aws:apigateway/integration:Integration``.
        name: its logical name.
        urn: its address in the stack.
        parent: the URN of its parent; empty for a child of the stack.
        inputs: what the program declared, keys in camelCase, secrets in clear.
        secret_inputs: the top-level inputs that hold a secret anywhere.
        id: the provider's id for it; empty for a component.
        outputs: its inputs, and what the provider returned.
        depends_on: the URNs it names as dependencies, inferred and explicit.
        custom: False for a component.
        protect: whether Pulumi refuses to delete it.
        retain_on_delete: whether Pulumi leaves it in AWS on deletion.
        delete_before_replace: whether Pulumi deletes it before it makes its replacement, and not after.
        secret_outputs: the outputs that Pulumi encrypts in the state besides those that the provider marks as secret.
    """

    type: str
    name: str
    urn: str
    parent: str
    inputs: Mapping[str, Any]
    secret_inputs: tuple[str, ...]
    id: str
    outputs: Mapping[str, Any]
    depends_on: tuple[str, ...]
    custom: bool
    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool
    secret_outputs: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Graph:
    """Everything a stack declares, and what it exports."""

    project: str
    stack: str
    region: str
    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]
    calls: tuple[str, ...] = ()
    """Provider look-ups that the program made; it should make none."""
    secrets: tuple[str, ...] = ()
    """Every text that the program marks as a secret, in clear."""
    time_scale: float = 1.0
    """The local data planes divide AWS's time limits by this: those that are declared and those that AWS fixes."""

    def all(self, type_: str) -> list[Resource]:
        """The resources of one type, in the order of their URNs."""
        return [resource for resource in self.resources if resource.type == type_]

    def one(self, type_: str) -> Resource:
        """The only resource of its type.

        Raises:
            ProgramError: when there is none, or more than one.
        """
        found = self.all(type_)
        if len(found) != 1:
            raise ProgramError(f"The program declares {len(found)} resources of type {type_}: declare exactly one.")
        return found[0]

    def with_inputs(self, urn: str, **changes: Any) -> Graph:
        """The same graph with some inputs of one resource changed; an input set to None is removed."""

        def change(resource: Resource) -> Resource:
            if resource.urn != urn:
                return resource
            inputs = {key: value for key, value in {**resource.inputs, **changes}.items() if value is not None}
            return dataclasses.replace(resource, inputs=inputs)

        return dataclasses.replace(self, resources=tuple(change(resource) for resource in self.resources))

    def at_time_scale(self, factor: float) -> Graph:
        """The same graph, to be served with every time limit divided by ``factor``."""
        return dataclasses.replace(self, time_scale=factor)

    def to_json(self) -> str:
        """The graph as JSON text; `from_json` reads it back."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Graph:
        """The graph that `to_json` wrote."""
        data = json.loads(text)
        lists = ("secret_inputs", "depends_on", "secret_outputs")
        resources = tuple(
            Resource(**{**item, **{name: tuple(item[name]) for name in lists}}) for item in data.pop("resources")
        )
        texts = {name: tuple(data[name]) for name in ("calls", "secrets")}
        return cls(**{**data, **texts, "resources": resources})


MockedOutputs = tuple[str, dict[str, Any]]
"""A new resource's id, and those of its outputs that are not inputs."""


class Provider(Protocol):
    """Returns, in place of AWS, the id and the outputs of a declared resource."""

    def create(self, type_: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
        """The id and all outputs of the new resource; the inputs count as outputs too."""
        ...
