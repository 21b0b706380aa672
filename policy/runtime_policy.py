"""Rules that keep a token from opening more than a conversation: the runtime's own resource policy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from contract import Kind
from policy.graph import Declared, Stack, by_itself
from policy.permissions import as_list, statements

SERVICE = "bedrock-agentcore:"
QUESTION = "InvokeAgentRuntime"
ENDPOINT = re.compile(r":runtime/[^/]+/(runtime-)?endpoint/")
SHELLS = ("InvokeAgentRuntimeCommand", "InvokeAgentRuntimeCommandShell")


def one_policy(runtime: Declared, stack: Stack) -> Iterator[str]:
    """Without a policy AgentCore takes the token at each of its addresses; of two, the last one written stands."""
    policies = list(stack.all(Kind.RESOURCE_POLICY))
    own = [each for each in policies if each.get("resourceArn") == runtime.get("agentRuntimeArn")] if policies else []
    if len(own) != 1:
        yield (
            f"The runtime has {len(own) or 'no'} resource polic{'y' if not own else 'ies'}, so a token may open a "
            "shell in the microVM, beside the origin secret and the role's credentials. Declare one "
            "AgentcoreResourcePolicy of its ARN."
        )


def questions_only(policy: Declared, stack: Stack) -> Iterator[str]:
    """IAM knows no principal for a token's bearer, hence ``*``; a Deny overrides every Allow."""
    found = statements(policy.get("policy"))
    if not any(each.get("Effect") == "Allow" and _is_everybodys(each) and _names(each, QUESTION) for each in found):
        yield (
            "The resource policy does not allow InvokeAgentRuntime, so every request fails with 403. Declare an "
            "Allow of it for Principal *."
        )
    denied = [each for each in found if each.get("Effect") == "Deny" and _is_everybodys(each) and _always(each)]
    open_ = [action for action in SHELLS if not any(_names(each, action) for each in denied)]
    if stack.is_production and open_:
        yield (
            f"A token opens {' and '.join(open_)} in the microVM, where the origin secret and the role's credentials "
            "lie. Declare an unconditional Deny for Principal *."
        )


@by_itself
def none_on_endpoints(policy: Declared, _stack: Stack) -> Iterator[str]:
    """An endpoint's policy is evaluated beside the runtime's, and must allow by itself."""
    if ENDPOINT.search(policy.get("resourceArn") or ""):
        yield (
            "The resource policy is an endpoint's, which AWS asks beside the runtime's: what one of them does not "
            "allow is refused. Use the runtime's ARN."
        )


def _is_everybodys(statement: Mapping[str, Any]) -> bool:
    return statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})


def _always(statement: Mapping[str, Any]) -> bool:
    return not statement.get("Condition")


def _names(statement: Mapping[str, Any], action: str) -> bool:
    return any(fnmatchcase(SERVICE + action, str(each)) for each in as_list(statement.get("Action")))
