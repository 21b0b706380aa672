"""Unit tests of `infra.resource_policy` with Pulumi's mocks."""

from __future__ import annotations

import json
from typing import Any

import pulumi

from infra.resource_policy import ResourcePolicy
from tests.infra.unit.mocks import STACK, AwsMocks

RUNTIME = "arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/unit-1"


def resource_policy(endpoint_id: str | None = None) -> None:
    known = pulumi.Output.from_input
    ResourcePolicy(
        STACK,
        runtime_arn=known(RUNTIME),
        account_id=known("000000000000"),
        denied_actions=["InvokeAgentRuntimeCommandShell"],
        endpoint_id=None if endpoint_id is None else known(endpoint_id),
    )


def statements(aws: AwsMocks, effect: str) -> list[dict[str, Any]]:
    declared = aws.inputs("AgentcoreResourcePolicy")
    assert declared["resourceArn"] == RUNTIME
    return [each for each in json.loads(declared["policy"])["Statement"] if each["Effect"] == effect]


@pulumi.runtime.test
def test_a_token_opens_no_shell(aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        denied = [json.dumps(each["Action"]) for each in statements(aws, "Deny")]
        assert any("bedrock-agentcore:InvokeAgentRuntimeCommandShell" in actions for actions in denied)

    resource_policy()
    return aws.after(check)


@pulumi.runtime.test
def test_only_the_endpoint_is_let_through(aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        allowed = statements(aws, "Allow")
        assert [each["Condition"] for each in allowed] == [{"StringEquals": {"aws:SourceVpce": "vpce-1"}}]

    resource_policy("vpce-1")
    return aws.after(check)
