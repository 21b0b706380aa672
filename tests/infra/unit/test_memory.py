"""Unit tests of `infra.memory` with Pulumi's mocks."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.memory import Memory
from tests.infra.unit.mocks import STACK, AwsMocks


@pulumi.runtime.test
def test_the_grant_is_for_this_memory_alone(aws: AwsMocks) -> pulumi.Output[None]:
    made = Memory(STACK, 30)

    def check(id_: str, statements: list[dict[str, Any]]) -> None:
        assert aws.inputs("AgentcoreMemory")["eventExpiryDuration"] == 30
        (grant,) = statements
        assert [arn.rpartition("/")[2] for arn in grant["Resource"]] == [id_]

    return aws.after(check, made.id, made.grant.statements)
