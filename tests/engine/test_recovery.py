"""What an operator does when something must change now or went wrong half-way, in a real engine."""

from __future__ import annotations

import pytest
from pulumi import automation

from tests.engine.conftest import NewStack
from tests.engine.provider import Properties
from tests.engine.stacks import EngineStack
from tests.engine.test_changes import refusing, settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ORIGIN = "integration.request.header.X-Amzn-Bedrock-AgentCore-Runtime-Custom-Origin-Verify"
ENDPOINT = "AgentcoreAgentRuntimeEndpoint"


class TestTheOriginSecretIsRotated:
    """docs/security.md, "Changing the origin secret": sessions keep the variables that they started with."""

    STEPS = ({"sent": 1, "alsoAccepted": 2}, {"sent": 2, "alsoAccepted": 1}, {"sent": 2})

    def test_no_session_is_ever_sent_a_value_that_it_does_not_take(self, deployed: NewStack) -> None:
        stack = deployed("dev")
        first = sent(stack)
        started = [accepted(stack)]
        for step in self.STEPS:
            stack.configure(settings(runtime={"originSecret": step}))
            stack.up()
            # Whoever follows the page waits before each step until sessions of the step before the last have ended.
            started = [*started[-1:], accepted(stack)]
            assert all(sent(stack) in values for values in started), step
        assert sent(stack) != first
        assert first not in accepted(stack)

    def test_in_one_step_a_session_that_runs_would_be_refused(self, deployed: NewStack) -> None:
        stack = deployed("dev")
        before = accepted(stack)
        stack.configure(settings(runtime={"originSecret": {"sent": 2}}))
        stack.up()
        assert sent(stack) not in before


def sent(stack: EngineStack) -> str:
    """The value that the API adds to a request."""
    parameters: list[Properties] = [each.get("requestParameters") or {} for each in stack.cloud.all("Integration")]
    (value,) = [each[ORIGIN] for each in parameters if ORIGIN in each]
    return str(value).strip("'")


def accepted(stack: EngineStack) -> set[str]:
    """The values that a session which starts now takes."""
    names = {"AGENT_ORIGIN_SECRET", "AGENT_ORIGIN_SECRET_PREVIOUS"}
    return {str(value) for name, value in variables(stack).items() if name in names}


def test_a_deployment_that_broke_off_goes_on_where_it_was(deployed: NewStack) -> None:
    stack = deployed("dev")
    stack.configure(settings(api={"stageName": "other"}))
    stack.cloud.refuses = refusing("create", "Stage")
    with pytest.raises(automation.CommandError):
        stack.up()
    stack.cloud.refuses = lambda *_: None
    stack.up()
    assert stack.preview() == {}
    assert [each["stageName"] for each in stack.cloud.all("Stage")] == ["other"]


def test_an_endpoint_that_does_not_get_ready_leaves_the_api_on_the_one_before(deployed: NewStack) -> None:
    stack = deployed("dev")
    uri = stack.cloud.all("Integration")
    stack.configure(settings(runtime={"endpointName": "live"}))
    stack.cloud.refuses = refusing("create", ENDPOINT)
    with pytest.raises(automation.CommandError):
        stack.up()
    assert stack.cloud.all("Integration") == uri
    stack.cloud.refuses = lambda *_: None
    stack.up()
    assert stack.preview() == {}


def test_a_stage_that_was_changed_by_hand_is_put_back(deployed: NewStack) -> None:
    stack = deployed("dev")
    (stage,) = stack.cloud.all("Stage")
    served = stage["deployment"]
    stage["deployment"] = "an-earlier-one"
    assert stack.refresh() == {"update": 1}
    stack.up()
    assert [each["deployment"] for each in stack.cloud.all("Stage")] == [served]


def test_a_stage_that_was_deleted_by_hand_is_made_again_behind_its_web_acl(deployed: NewStack) -> None:
    stack = deployed("dev")
    (place,) = [each for each in stack.cloud.existing if any(part.endswith(":Stage") for part in each)]
    del stack.cloud.existing[place]
    stack.refresh()
    done = [str(each) for each in stack.up()]
    assert any("create" in each and "Stage" in each for each in done)
    assert stack.preview() == {}


def test_the_settings_of_before_are_the_way_back(deployed: NewStack) -> None:
    stack = deployed("dev")
    before = variables(stack)
    stack.configure(settings(runtime={"maxTokens": 99}))
    stack.up()
    assert variables(stack) != before
    stack.configure(settings())
    stack.up()
    assert variables(stack) == before


def variables(stack: EngineStack) -> Properties:
    (runtime,) = stack.cloud.all("AgentcoreAgentRuntime")
    return {**runtime["environmentVariables"]}
