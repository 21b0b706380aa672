"""A stack's life in a real engine: preview, deployment, nothing to do, refresh, destruction, what the state holds."""

from __future__ import annotations

import pytest

from tests.engine.conftest import NewStack
from tests.engine.stacks import EngineStack, position
from tests.infra.graphs import ENVIRONMENTS, EVERYTHING

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


def test_every_optional_part_can_be_deployed_at_once(deployed: NewStack) -> None:
    assert deployed("dev", **EVERYTHING).preview() == {}


def test_destruction_takes_what_answers_before_what_it_needs(deployed: NewStack) -> None:
    stack = deployed("dev")
    gone = stack.destroy()
    assert position(gone, "delete", "Stage") < position(gone, "delete", "Deployment")
    assert position(gone, "delete", "Integration", "stream") < position(gone, "delete", "AgentcoreAgentRuntime")
    assert position(gone, "delete", "AgentcoreAgentRuntime") < position(gone, "delete", "Role")
    # Only packages stay, in the bucket that is emptied with the stack.
    assert {type_ for type_, _ in stack.cloud.existing} == {"aws:s3/bucketObjectv2:BucketObjectv2"}


def secrets_of(stack: EngineStack) -> set[str]:
    """The origin secret's values, which the stand-in for AWS knows in clear."""
    return {each["result"] for each in stack.cloud.all("RandomPassword")}


def test_no_secret_stands_in_clear_in_the_state(deployed: NewStack) -> None:
    stack = deployed("dev", api={"teams": {"sales": {}}})
    state = stack.state()
    keys = {each["value"] for each in stack.cloud.all("ApiKey")}
    assert len(secrets_of(stack)) == len(keys) == 1
    assert '"ciphertext"' in state
    for value in secrets_of(stack) | keys:
        assert value not in state
