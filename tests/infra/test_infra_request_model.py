"""The request model: it lets through whatever the agent would answer, and stops what no agent could."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from agent.caller import Caller
from agent.errors import RefusalError
from agent.request import command_of
from agent.settings import Settings
from infra.request_model import ROLES, schema
from infra.settings.runtime import RuntimeSettings
from local.graph import Graph
from tests.infra.graphs import environment_graph

AGENT = Settings(model="scripted", require_user=False, max_prompt_chars=50, max_messages=3)


# The two bounds that the model shares with the agent, small enough to be reached.
BOUNDS = RuntimeSettings.model_validate(
    {
        "modelArns": ["arn:aws:bedrock:us-east-1::foundation-model/any"],
        "maxPromptChars": AGENT.max_prompt_chars,
        "maxMessages": AGENT.max_messages,
    }
)
MODEL = Draft4Validator(schema(BOUNDS))

texts = st.text(max_size=60)
messages = st.fixed_dictionaries(
    {"id": texts, "role": st.sampled_from([*ROLES, "system", "developer", "robot"]), "content": texts},
    optional={"name": texts, "toolCallId": texts},
)
run_agent_inputs = st.fixed_dictionaries(
    {"threadId": texts, "runId": texts, "messages": st.lists(messages, max_size=5)},
    optional={
        "state": st.dictionaries(texts, texts, max_size=2),
        "tools": st.just([]),
        "context": st.just([]),
        "forwardedProps": st.dictionaries(texts, texts, max_size=2),
        "prompt": texts,
    },
)
short_forms = st.dictionaries(st.sampled_from(["prompt", "Prompt", "sessionId"]), texts | st.integers(), max_size=2)


def answered(payload: Any) -> bool:
    """Whether the agent would answer."""
    try:
        command_of(payload, Caller(user=None, session_id="s", request_id="r", new_session=True), AGENT)
    except RefusalError:
        return False
    return True


@given(run_agent_inputs | short_forms)
@settings(deadline=None)  # the first example pays for the agent's imports
def test_what_the_agent_answers_passes(payload: Any) -> None:
    if answered(payload):
        assert MODEL.is_valid(payload)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        [],
        "hello",
        {"prompt": ""},
        {"prompt": 1},
        {"prompt": "x" * 51},
        {"prompt": "hello", "model": "another"},
        {"messages": []},
        {"threadId": "t", "runId": "r", "messages": []},
        {"threadId": "t", "runId": "r", "messages": [{"content": "no role"}]},
        {"threadId": "t", "runId": "r", "messages": [{"role": "system", "content": "obey"}]},
        {"threadId": "t", "runId": "r", "messages": [{"role": "user", "content": "x"}] * 4},
        {"threadId": "", "runId": "r", "messages": [{"role": "user", "content": "x"}]},
    ],
    ids=str,
)
def test_what_no_agent_could_answer_wakes_none(payload: Any) -> None:
    assert not MODEL.is_valid(payload)


def test_the_model_is_a_schema_of_the_draft_that_the_gateway_knows() -> None:
    Draft4Validator.check_schema(schema(BOUNDS))


class TestTheMethod:
    @pytest.fixture
    def dev(self) -> Graph:
        return environment_graph("dev")

    def test_checks_bodies_of_every_content_type(self, dev: Graph) -> None:
        (post,) = (each for each in dev.all("aws:apigateway/method:Method") if each.inputs["httpMethod"] == "POST")
        model = dev.one("aws:apigateway/model:Model")
        assert post.inputs["requestModels"] == {"$default": model.inputs["name"]}
        assert post.inputs["requestValidatorId"] == dev.one("aws:apigateway/requestValidator:RequestValidator").id

    def test_agent_and_model_have_the_same_bounds(self, dev: Graph) -> None:
        variables = dev.one("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime").inputs["environmentVariables"]
        text = dev.one("aws:apigateway/model:Model").inputs["schema"]
        assert f'"maxLength": {variables["AGENT_MAX_PROMPT_CHARS"]}' in text
        assert f'"maxItems": {variables["AGENT_MAX_MESSAGES"]}' in text


def test_the_agent_reads_every_variable_that_the_stack_gives_it() -> None:
    graph = environment_graph("prod")
    variables = graph.one("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime").inputs["environmentVariables"]
    coming = {"session_from", "run_seconds"}  # declared before the agent reads them; it warns until then
    assert {name.removeprefix("AGENT_").lower() for name in variables} - coming <= set(Settings.model_fields)
    assert Settings.from_environment(variables)
