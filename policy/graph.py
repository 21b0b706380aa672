"""What the rules read: the resources of a stack.

Pulumi asks about a stack with each resource's *outputs*: what the program declared, what the provider filled in, and
what only AWS can tell. In a preview much of that is unknown, and not only ids: whatever the program may leave to the
provider is unknown when it does. pulumi_policy wraps the outputs so that reading an unknown value raises
`UnknownValueError`, however deep it stands; `policy.rules` catches it, so no rule has to ask what is known.
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
BUCKET_CLOSED = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105 - the name of a type
EVERYTHING_OF_IAM = "aws:iam/"

AGENTCORE = "bedrock-agentcore"
"""What every host name of AgentCore begins with."""

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
        """A nested output; None where nothing is.

        Raises:
            UnknownValueError: when it, or something above it, is not known yet.
        """
        return nested(self.outputs, *path)

    def peek(self, *path: str, unknown: Any) -> Any:
        """As `get`, with a value to take for one that is not known yet."""
        try:
            return self.get(*path)
        except UnknownValueError:
            return unknown

    @property
    def faces_agentcore(self) -> bool:
        """Whether an integration's address is AgentCore's; one that is not known yet is made of a runtime's id."""
        return AGENTCORE in (self.peek("uri", unknown=AGENTCORE) or "")


class Stack:
    """All resources of a stack."""

    def __init__(self, resources: Iterable[Declared]) -> None:
        self._resources = tuple(resources)
        self._by_type: dict[str, list[Declared]] = {}
        for each in self._resources:
            self._by_type.setdefault(each.type, []).append(each)

    def all(self, type_: str) -> Iterator[Declared]:
        """The resources whose type token is this, or begins with it."""
        return (each for token, some in self._by_type.items() if token.startswith(type_) for each in some)

    def facing_agentcore(self) -> Iterator[Declared]:
        """The integrations that face AgentCore."""
        return (each for each in self.all(Kind.INTEGRATION) if each.faces_agentcore)

    @cached_property
    def is_production(self) -> bool:
        """Whether the stack's name says so, as it begins every URN, or the tag of any resource does."""
        return any(
            each.urn.startswith("urn:pulumi:prod") or each.peek("tags", "environment", unknown=None) == "prod"
            for each in self._resources
        )


Check = Callable[[Declared, Stack], Iterator[str]]
"""Yields a sentence for each thing that is wrong with a resource."""


_BY_ITSELF: set[Check] = set()


def by_itself(check: Check) -> Check:
    """Mark a check that needs one resource's inputs and no other resource.

    Pulumi can then ask it of the inputs, before the resource is made: what the program left out is absent there, while
    among a preview's outputs it is unknown, as whatever the provider may still fill in.
    """
    _BY_ITSELF.add(check)
    return check


def is_by_itself(check: Check) -> bool:
    """Whether a check is marked so."""
    return check in _BY_ITSELF


def of_agentcore(check: Check) -> Check:
    """Leave out of a check on integrations those that do not face AgentCore."""

    @wraps(check)
    def facing(integration: Declared, stack: Stack) -> Iterator[str]:
        if integration.faces_agentcore:
            yield from check(integration, stack)

    return facing


def nested(value: Any, *path: str) -> Any:
    """The value at a path of keys; None where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
