"""Unit tests of `infra.component` with Pulumi's mocks."""

from __future__ import annotations

import pulumi
import pulumi_aws

from infra.component import Component, StackContext
from tests.infra.unit.mocks import STACK, AwsMocks


class Inner(Component):
    def __init__(self, stack: StackContext, opts: pulumi.ResourceOptions) -> None:
        super().__init__("Inner", stack, opts)
        pulumi_aws.sns.Topic("plain", opts=self._child)
        pulumi_aws.sns.Topic("own", tags={"paged": pulumi.Output.from_input("yes")}, opts=self._child)
        pulumi_aws.cognito.UserGroup("untaggable", user_pool_id="pool", opts=self._child)


class Outer(Component):
    def __init__(self, stack: StackContext) -> None:
        super().__init__("Outer", stack)
        Inner(stack, self._child)


@pulumi.runtime.test
def test_what_takes_tags_carries_the_stacks_beside_its_own(aws: AwsMocks) -> pulumi.Output[None]:
    def check() -> None:
        assert aws.inputs("Topic", "plain")["tags"] == {"owner": "agent-team"}
        assert aws.inputs("Topic", "own")["tags"] == {"owner": "agent-team", "paged": "yes"}
        assert "tags" not in aws.inputs("UserGroup")

    Outer(STACK)
    return aws.after(check)
