"""The operations that the runtime's resource policy denies to token bearers.

Evaluates only what can be decided on loopback: a caller with a token is not a principal of any account. A statement
with any other condition, such as on the VPC endpoint, is left out.

Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/resource-based-policies.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from contract import Kind
from local.program.graph import Graph

POLICY = Kind.RESOURCE_POLICY
SERVICE = "bedrock-agentcore:"

INVOKE = "InvokeAgentRuntime"

OPERATIONS: Mapping[tuple[str, str], str] = {
    ("POST", "invocations"): INVOKE,
    ("POST", "commands"): "InvokeAgentRuntimeCommand",
    ("POST", "stopruntimesession"): "StopRuntimeSession",
    ("GET", "ws"): "InvokeAgentRuntimeWithWebSocketStream",
    ("GET", "ws/shells"): "InvokeAgentRuntimeCommandShell",
}
"""AgentCore's operations on a runtime, by method and path below ``/runtimes/{id}/``. Paths as AWS's own SDKs build
them (botocore's model of bedrock-agentcore; `AgentCoreRuntimeClient` of bedrock-agentcore)."""

FOR_USER = "InvokeAgentRuntimeForUser"
USER_HEADER = "x-amzn-bedrock-agentcore-runtime-user-id"
"""With this header an invocation is the operation `FOR_USER`."""


def denied_actions(graph: Graph, runtime_arn: str) -> tuple[str, ...]:
    """Patterns of the operations, without the service prefix, that the runtime's policy denies to token bearers."""
    found: list[str] = []
    for policy in graph.all(POLICY):
        if policy.inputs.get("resourceArn") == runtime_arn:
            statements = json.loads(policy.inputs["policy"])["Statement"]
            found += [action for one in statements if _denies_token_bearers(one) for action in _actions(one)]
    return tuple(found)


def denies(patterns: Sequence[str], action: str) -> bool:
    """Whether one of the patterns matches the operation."""
    return any(fnmatchcase(action, pattern) for pattern in patterns)


def _denies_token_bearers(statement: Mapping[str, Any]) -> bool:
    if statement["Effect"] != "Deny" or statement.get("Principal") not in ("*", {"AWS": "*"}):
        return False
    conditions = statement.get("Condition") or {}
    # A negated comparison is true when its key is missing
    # (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html).
    return all(
        operator == "StringNotEquals" and set(compared) == {"aws:PrincipalAccount"}
        for operator, compared in conditions.items()
    )


def _actions(statement: Mapping[str, Any]) -> Iterator[str]:
    actions = statement["Action"]
    for action in [actions] if isinstance(actions, str) else actions:
        yield str(action).removeprefix(SERVICE)
