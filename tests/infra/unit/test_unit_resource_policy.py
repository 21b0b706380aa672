"""Unit tests of `infra.resource_policy` with Pulumi's mocks."""

from __future__ import annotations

import json

import pulumi

from infra.resource_policy import ResourcePolicy
from tests.infra.unit.mocks import AwsMocks

RUNTIME = "arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/unit-1"


@pulumi.runtime.test
def test_only_the_endpoint_is_let_through(aws: AwsMocks) -> pulumi.Output[None]:
    known = pulumi.Output.from_input
    ResourcePolicy("unit", runtime_arn=known(RUNTIME), endpoint_id=known("vpce-1"), after=[])

    def check() -> None:
        declared = aws.inputs("AgentcoreResourcePolicy")
        assert declared["resourceArn"] == RUNTIME
        conditions = [each["Condition"] for each in json.loads(declared["policy"])["Statement"]]
        assert {"StringEquals": {"aws:SourceVpce": "vpce-1"}} in conditions

    return aws.after(check)
