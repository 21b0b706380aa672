"""What the rules read: declared resources, whoever declared them.

The rules see inputs as Pulumi writes them (camelCase keys). A value that is not known yet is `UNKNOWN`; a rule that
meets one cannot judge it and lets it pass, for the same rule runs again when the value is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Pulumi's own mark of an unknown string; the adapter turns the other marks into it."""

INTEGRATION = "aws:apigateway/integration:Integration"
METHOD = "aws:apigateway/method:Method"
AUTHORIZER = "aws:apigateway/authorizer:Authorizer"
STAGE = "aws:apigateway/stage:Stage"
METHOD_SETTINGS = "aws:apigateway/methodSettings:MethodSettings"
REST_API = "aws:apigateway/restApi:RestApi"
INTEGRATION_RESPONSE = "aws:apigateway/integrationResponse:IntegrationResponse"
RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"
RUNTIME_ENDPOINT = "aws:bedrock/agentcoreAgentRuntimeEndpoint:AgentcoreAgentRuntimeEndpoint"
RESOURCE_POLICY = "aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy"
CLIENT = "aws:cognito/userPoolClient:UserPoolClient"
WEB_ACL = "aws:wafv2/webAcl:WebAcl"
ASSOCIATION = "aws:wafv2/webAclAssociation:WebAclAssociation"
WEB_ACL_LOGGING = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"


@dataclass(frozen=True, slots=True)
class Declared:
    """One declared resource: its type token, its name, its address in the stack, its inputs."""

    type: str
    name: str
    urn: str
    inputs: Mapping[str, Any]

    def get(self, *path: str) -> Any:
        """A nested input; None where nothing is, `UNKNOWN` where it or something above it is not known."""
        value: Any = self.inputs
        for key in path:
            if value == UNKNOWN:
                return UNKNOWN
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


class Stack:
    """All declared resources of a stack."""

    def __init__(self, resources: Iterable[Declared]) -> None:
        self._resources = tuple(resources)

    def all(self, *types: str) -> Iterator[Declared]:
        """The resources of some types."""
        return (each for each in self._resources if each.type in types)

    def integrations_facing_agentcore(self) -> Iterator[Declared]:
        """The integrations whose address is AgentCore's, or not known yet."""
        for each in self.all(INTEGRATION):
            uri = each.get("uri")
            if uri == UNKNOWN or (isinstance(uri, str) and "bedrock-agentcore" in uri):
                yield each

    @property
    def is_production(self) -> bool:
        """Whether any resource carries production's tag."""
        return any(each.get("tags", "environment") == "prod" for each in self._resources)


def known(value: Any) -> bool:
    """Whether a value is there and is known as a whole."""
    if isinstance(value, Mapping):
        return all(known(item) for item in value.values())
    if isinstance(value, list):
        return all(known(item) for item in value)
    return value is not None and value != UNKNOWN


def policy_statements(text: Any) -> list[dict[str, Any]]:
    """The statements of a policy document; none while it is not known."""
    if not isinstance(text, str) or text == UNKNOWN:
        return []
    found = json.loads(text).get("Statement", [])
    return found if isinstance(found, list) else [found]


def as_list(value: Any) -> list[Any]:
    """A policy's member that may be one value or several."""
    return value if isinstance(value, list) else [value]
