"""Rules for the runtime's resource policy: a token gives access to invocations, and to no other operation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from contract import Kind
from policy.graph import Declared, Stack, single_resource
from policy.permissions import as_list, statements

SERVICE = "bedrock-agentcore:"
INVOKE = "InvokeAgentRuntime"
ENDPOINT = re.compile(r":runtime/[^/]+/(runtime-)?endpoint/")
SHELLS = ("InvokeAgentRuntimeCommand", "InvokeAgentRuntimeCommandShell")


def one_policy(runtime: Declared, stack: Stack) -> Iterator[str]:
    """Without a policy a token gives access to all operations; of two policies the last one written is in force."""
    policies = list(stack.all(Kind.RESOURCE_POLICY))
    own = [each for each in policies if each.get("resourceArn") == runtime.get("agentRuntimeArn")] if policies else []
    if len(own) != 1:
        yield (
            f"The runtime has {len(own) or 'no'} resource polic{'y' if not own else 'ies'}, so the bearer of a token "
            "may open a shell in the microVM, which holds the origin secret and the role's credentials. Declare one "
            "AgentcoreResourcePolicy for its ARN."
        )


def questions_only(policy: Declared, stack: Stack) -> Iterator[str]:
    """IAM has no principal for a token's bearer, hence ``*``; a Deny overrides every Allow."""
    found = statements(policy.get("policy"))
    if not any(each.get("Effect") == "Allow" and _is_for_everyone(each) and _names(each, INVOKE) for each in found):
        yield (
            "The resource policy does not allow InvokeAgentRuntime, so every request fails with 403. Declare an "
            "Allow of it for Principal *."
        )
    denied = [each for each in found if each.get("Effect") == "Deny" and _is_for_everyone(each) and _always(each)]
    open_ = [action for action in SHELLS if not any(_names(each, action) for each in denied)]
    if stack.is_production and open_:
        yield (
            f"The bearer of a token may call {' and '.join(open_)} in the microVM, which holds the origin secret and "
            "the role's credentials. Declare an unconditional Deny for Principal *."
        )


@single_resource
def none_on_endpoints(policy: Declared, _stack: Stack) -> Iterator[str]:
    """An endpoint's policy is evaluated in addition to the runtime's, and both must allow a request."""
    if ENDPOINT.search(policy.get("resourceArn") or ""):
        yield (
            "The resource policy is for an endpoint, and AWS refuses a request unless it and the runtime's policy both "
            "allow it. Use the runtime's ARN."
        )


def _is_for_everyone(statement: Mapping[str, Any]) -> bool:
    return statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})


def _always(statement: Mapping[str, Any]) -> bool:
    return not statement.get("Condition")


def _names(statement: Mapping[str, Any], action: str) -> bool:
    return any(fnmatchcase(SERVICE + action, str(each)) for each in as_list(statement.get("Action")))
