"""A stack's life in a real engine: preview, deployment, nothing to do, refresh, destruction, what the state holds."""

from __future__ import annotations

import pytest
from pulumi import automation

from tests.engine.conftest import NewStack
from tests.engine.stacks import position
from tests.infra.graphs import ENVIRONMENTS, VARIATIONS

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def test_a_deployed_stack_has_nothing_left_to_do(deployed: NewStack) -> None:
    stack = deployed("dev")
    assert stack.preview() == {}
    assert stack.refresh() == {}
    assert stack.up() == []


def test_what_aws_has_otherwise_is_found_and_put_right(deployed: NewStack) -> None:
    stack = deployed("dev")
    (api,) = stack.cloud.all("RestApi")
    api["description"] = "changed by hand"
    assert stack.refresh() == {"update": 1}
    assert [each.what for each in stack.up()] == ["update"]


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_a_first_preview_knows_no_output_and_changes_nothing(created: NewStack, stack: str) -> None:
    assert set(created(stack).preview()) == {"create"}


@pytest.mark.parametrize("parts", VARIATIONS)
def test_every_optional_part_can_be_deployed_at_once(deployed: NewStack, parts: str) -> None:
    assert deployed("dev", **VARIATIONS[parts]).preview() == {}


def test_destruction_takes_what_answers_before_what_it_needs(deployed: NewStack) -> None:
    stack = deployed("dev")
    gone = stack.destroy()
    assert position(gone, "delete", "Stage") < position(gone, "delete", "Deployment")
    assert position(gone, "delete", "Integration", "stream") < position(gone, "delete", "AgentcoreAgentRuntime")
    assert position(gone, "delete", "AgentcoreAgentRuntime") < position(gone, "delete", "Role")
    # Only packages stay, in the bucket that is emptied with the stack.
    assert {type_ for type_, _ in stack.cloud.existing} == {"aws:s3/bucketObjectv2:BucketObjectv2"}


class TestDestroyingProduction:
    def test_it_is_refused_as_a_whole_when_it_is_previewed_first(self, deployed: NewStack) -> None:
        stack = deployed("prod")
        # The words of docs/troubleshooting.md.
        with pytest.raises(automation.CommandError, match=r"cannot be deleted\s+because it is protected"):
            stack.destroy(preview=True)
        assert stack.cloud.changes == []

    def test_without_a_preview_nothing_that_users_know_goes_and_nothing_that_is_left_answers(
        self, deployed: NewStack
    ) -> None:
        """docs/security.md warns of it: the service is down, and what cannot be made again is there."""
        stack = deployed("prod")
        with pytest.raises(automation.CommandError, match="protected"):
            stack.destroy()
        left = {type_.rpartition(":")[2] for type_, _ in stack.cloud.existing}
        assert left == {"UserPool", "UserPoolClient", "AgentcoreMemory", "RestApi", "LogGroup", "BucketObjectv2"}
        stack.up()
        assert stack.preview() == {}

    def test_once_nothing_is_protected_the_stage_goes_first_and_its_web_acl_with_it(self, deployed: NewStack) -> None:
        stack = deployed("prod")
        stack.run("state", "unprotect", "--all", "--yes")
        gone = stack.destroy()
        stage = position(gone, "delete", "Stage")
        assert position(gone, "delete", "WebAclAssociation") < stage < position(gone, "delete", "Integration", "stream")
        assert position(gone, "delete", "AgentcoreAgentRuntimeEndpoint") < position(
            gone, "delete", "AgentcoreAgentRuntime"
        )
        assert position(gone, "delete", "UserPoolClient") < position(gone, "delete", "UserPool")
        assert position(gone, "delete", "AgentcoreAgentRuntime") < position(gone, "delete", "AgentcoreMemory")
        # The agent's own log groups stay behind, and so do the packages, in a bucket that AWS refuses to delete.
        assert {type_.rpartition(":")[2] for type_, _ in stack.cloud.existing} == {"LogGroup", "BucketObjectv2"}
        assert all("bedrock-agentcore" in each["name"] for each in stack.cloud.all("LogGroup"))
