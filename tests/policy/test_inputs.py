"""What one resource's inputs decide is decided before it is made; a fork's preview is always the first."""

from __future__ import annotations

import pytest

from contract import Kind
from policy import graph as kinds
from tests.infra.graphs import ENVIRONMENTS, VARIATIONS, any_stack, environment_graph
from tests.policy.edits import Edit, changed, drop, text
from tests.policy.mutations import AGENTCORE, allowed, stream
from tests.policy.stacks import as_inputs, broken_by_itself, first_preview

# By the rule that finds it: what a first preview shows by a missing line,
IN_A_FIRST_PREVIEW: dict[str, Edit] = {
    "stream-to-agentcore": stream(drop("responseTransferMode")),
    "timeout-is-raised": stream(drop("timeoutMilliseconds")),
    "endpoint-follows-the-runtime": changed(Kind.RUNTIME_ENDPOINT, drop("agentRuntimeVersion")),
    "app-client-pinned": changed(Kind.AUTHORIZER, drop("identityValidationExpression")),
    "token-reaches-agent": changed(Kind.RUNTIME, drop("requestHeaderConfiguration")),
    "no-secret-in-logs": changed(kinds.WEB_ACL_LOGGING, drop("redactedFields")),
    "logs-on": changed(Kind.STAGE, drop("accessLogSettings")),
}
# and what is known only when the resource is about to be made, for the runtime's id and the account's number are in it.
BEFORE_IT_IS_MADE: dict[str, tuple[str, Edit]] = {
    "/chat": ("invocations-address", stream(text("uri", "/invocations", "/chat"))),
    "an address by ARN": (
        "invocations-address",
        stream(text("uri", AGENTCORE, f"{AGENTCORE}/arn%3Aaws%3Abedrock-agentcore")),
    ),
    "every model": ("least-privilege", allowed("bedrock:InvokeModel", "*")),
}


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_the_inputs_of_every_environment_pass(stack: str) -> None:
    assert broken_by_itself(as_inputs(first_preview(stack))) == {}
    assert broken_by_itself(as_inputs(environment_graph(stack))) == {}


@pytest.mark.parametrize("parts", VARIATIONS)
def test_the_inputs_of_a_stack_with_every_optional_part_pass(parts: str) -> None:
    assert broken_by_itself(as_inputs(any_stack(parts))) == {}


@pytest.mark.parametrize("rule", IN_A_FIRST_PREVIEW)
def test_a_missing_line_is_found_in_a_first_preview(rule: str) -> None:
    edit = IN_A_FIRST_PREVIEW[rule]
    assert list(broken_by_itself(edit(as_inputs(first_preview("prod"))))) == [rule]


@pytest.mark.parametrize("name", BEFORE_IT_IS_MADE)
def test_a_wrong_value_is_found_before_the_resource_is_made(name: str) -> None:
    rule, edit = BEFORE_IT_IS_MADE[name]
    assert list(broken_by_itself(edit(as_inputs(environment_graph("prod"))))) == [rule]
