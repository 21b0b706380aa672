"""The resources of a stack, as the rules read them.

Pulumi passes each resource's *outputs* to a stack policy: the declared inputs, the provider's defaults, and values that
only AWS has. In a preview many are unknown, not only ids: an input that the program leaves to the provider is unknown
too. pulumi_policy wraps the outputs so that reading an unknown value at any depth raises `UnknownValueError`;
`policy.rules` catches it, so no rule has to test for unknown values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any

from pulumi_policy.proxy import UnknownValueError

from contract import Kind

WEB_ACL_LOGGING = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
POLICY = "aws:iam/policy:Policy"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
PUBLIC_ACCESS_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105 - the name of a type
ALL_OF_IAM = "aws:iam/"

AGENTCORE = "bedrock-agentcore"
"""The beginning of AgentCore's host names."""

ORIGIN_VARIABLE = "AGENT_ORIGIN_SECRET"
SESSION_VARIABLE = "AGENT_SESSION_FROM"


@dataclass(frozen=True, slots=True)
class Declared:
    """One resource: its type token, its name, its address in the stack, its outputs by their camelCase keys."""

    type: str
    name: str
    urn: str
    outputs: Mapping[str, Any]

    def get(self, *path: str) -> Any:
        """A nested output; None if there is none.

        Raises:
            UnknownValueError: when it, or a value that contains it, is not known yet.
        """
        return nested(self.outputs, *path)

    def peek(self, *path: str, unknown: Any) -> Any:
        """As `get`, with a default for a value that is not known yet."""
        try:
            return self.get(*path)
        except UnknownValueError:
            return unknown

    @property
    def calls_agentcore(self) -> bool:
        """Whether an integration calls AgentCore; an address that is not known yet contains a runtime's id."""
        return AGENTCORE in (self.peek("uri", unknown=AGENTCORE) or "")


class Stack:
    """All resources of a stack."""

    def __init__(self, resources: Iterable[Declared]) -> None:
        self._resources = tuple(resources)
        self._by_type: dict[str, list[Declared]] = {}
        for each in self._resources:
            self._by_type.setdefault(each.type, []).append(each)

    def all(self, type_: str) -> Iterator[Declared]:
        """The resources whose type token begins with this."""
        return (each for token, some in self._by_type.items() if token.startswith(type_) for each in some)

    def calling_agentcore(self) -> Iterator[Declared]:
        """The integrations that call AgentCore."""
        return (each for each in self.all(Kind.INTEGRATION) if each.calls_agentcore)

    @cached_property
    def is_production(self) -> bool:
        """Whether the stack's name, which every URN contains, begins with prod, or a resource's tag says prod."""
        return any(
            each.urn.startswith("urn:pulumi:prod") or each.peek("tags", "environment", unknown=None) == "prod"
            for each in self._resources
        )


Check = Callable[[Declared, Stack], Iterator[str]]
"""Yields a message for each problem of a resource."""


_SINGLE_RESOURCE: set[Check] = set()


def single_resource(check: Check) -> Check:
    """Mark a check that needs one resource's inputs and no other resource.

    Pulumi can then run it on the inputs, before the resource is created. An input that the program leaves out is absent
    there, but unknown among a preview's outputs, where the provider may still set it.
    """
    _SINGLE_RESOURCE.add(check)
    return check


def is_single_resource(check: Check) -> bool:
    """Whether a check is marked with `single_resource`."""
    return check in _SINGLE_RESOURCE


def of_agentcore(check: Check) -> Check:
    """Restrict a check on integrations to those that call AgentCore."""

    @wraps(check)
    def restricted(integration: Declared, stack: Stack) -> Iterator[str]:
        if integration.calls_agentcore:
            yield from check(integration, stack)

    return restricted


def nested(value: Any, *path: str) -> Any:
    """The value at a path of keys; None if there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
