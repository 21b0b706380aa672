"""The request model: it lets through what the agent would answer, stops what no agent could, and repeats no prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ag_ui.core import RunAgentInput
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from pydantic import ValidationError
from starlette.datastructures import Headers

from agent.caller import Caller
from agent.errors import RefusalError
from agent.request import command_of
from agent.settings import Settings
from infra.request_model import FORMS, schema
from infra.settings.api import SessionFrom
from local.planes.gateway.responses import GatewayError
from local.planes.gateway.validation import RequestRules
from local.program.graph import Graph
from tests.infra.graphs import environment_graph, variation

MODELS: dict[SessionFrom, Draft4Validator] = {
    "user": Draft4Validator(schema("user")),
    "thread": Draft4Validator(schema("thread")),
    "header": Draft4Validator(schema("header")),
}
AGENT = Settings(model="scripted", require_user=False)
THREAD = "thread-0123456789-0123456789-0123456789"
PROMPT = "the-words-of-the-user"
AS_GO_WRITES_IT = dict.fromkeys(("state", "messages", "tools", "context", "forwardedProps")) | {"runId": "r"}
"""A `types.RunAgentInput` of AG-UI's Go SDK v0.0.0-20260630145048-7479d97e25f6, where an empty list is null."""

ids = st.text(min_size=1, max_size=60) | st.just(THREAD)
texts = st.text(max_size=60)
roles = ["user", "assistant", "tool", "system", "developer", "reasoning", "activity"]
messages: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"id": texts, "role": st.sampled_from(roles), "content": texts},
    optional={"name": texts, "toolCallId": texts, "activityType": texts},
)
run_agent_inputs: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "threadId": ids,
        "runId": ids,
        "messages": st.lists(messages, max_size=5),
        "state": st.none() | st.dictionaries(texts, texts, max_size=2),
        "tools": st.just([]),
        "context": st.just([]),
        "forwardedProps": st.none() | st.dictionaries(texts, texts, max_size=2),
    },
    optional={"resume": st.none() | st.just([]), "protocolVersion": st.just("1.0"), "parentRunId": st.none() | ids},
)


def is_a_run_agent_input(payload: Any) -> bool:
    """Whether the protocol's own package takes it."""
    try:
        RunAgentInput.model_validate(payload)
    except ValidationError:
        return False
    return True


@given(run_agent_inputs)
@settings(deadline=None)  # the first example pays for the imports
def test_whatever_the_protocol_calls_a_run_agent_input_passes(payload: Any) -> None:
    if is_a_run_agent_input(payload):
        assert MODELS["user"].is_valid(payload)


def answered(payload: Any) -> bool:
    """Whether the agent would do what is asked."""
    try:
        command_of(payload, Caller(user=None, session_id="s", request_id="r", new_session=True), AGENT)
    except RefusalError:
        return False
    return True


@given(run_agent_inputs | st.deferred(lambda: anything))
@settings(deadline=None)
def test_whatever_the_agent_would_answer_passes(payload: Any) -> None:
    if answered(payload):
        assert MODELS["user"].is_valid(payload)


@pytest.mark.parametrize("mode", MODELS)
@pytest.mark.parametrize(
    "payload",
    [
        {"prompt": "hello"},
        {"attach": {}},
        {"attach": {"runId": "r", "after": 7}},
        {"stop": {}},
        {"stop": {"runId": "r"}},
        {"history": {}},
        {"runId": "r", "messages": [], "forwardedProps": {"attach": {}}},
        {"runId": "r", "messages": [{"id": "s", "role": "system", "content": "You are kind."}] * 300},
        {"runId": "r", "messages": [{"id": "u", "role": "user", "content": "x" * 200_000}]},
        {"runId": "r", "messages": [{"id": "u", "role": "user", "content": [{"type": "text", "text": "x"}]}]},
        {"runId": "r", "messages": [], "resume": [{"interruptId": "i", "status": "resolved"}], "state": 1},
        AS_GO_WRITES_IT | {"forwardedProps": {"stop": {}}},
    ],
    ids=lambda payload: str(payload)[:60],
)
def test_every_form_of_a_body_passes(mode: SessionFrom, payload: dict[str, Any]) -> None:
    assert MODELS[mode].is_valid({"threadId": THREAD, **payload})


@pytest.mark.parametrize("mode", MODELS)
@pytest.mark.parametrize(
    "payload",
    [
        {},
        [],
        "hello",
        {"threadId": THREAD},
        {"prompt": ""},
        {"prompt": 1},
        {"prompt": None},
        {"messages": {}},
        {"messages": ["hello"]},
        {"messages": [{"content": "no role"}]},
        {"messages": [{"role": 1}]},
        {"attach": True},
        {"attach": {"runId": 1}},
        {"stop": None},
        {"history": []},
        {"prompt": "hello", "threadId": 1},
        {"messages": [], "tools": {}},
    ],
    ids=str,
)
def test_what_no_agent_could_answer_wakes_none(mode: SessionFrom, payload: Any) -> None:
    whole = {"threadId": THREAD, **payload} if isinstance(payload, dict) else payload
    assert not MODELS[mode].is_valid(whole)


class TestWhereTheThreadNamesTheSession:
    def test_every_body_names_one(self) -> None:
        assert not MODELS["thread"].is_valid({"prompt": "hello"})
        assert MODELS["user"].is_valid({"prompt": "hello"})

    @pytest.mark.parametrize("thread", ["x" * 32, "x" * 257, "x" * 40 + "\n", "x" * 40 + "é", "x y" * 20, None, 1])
    def test_what_agentcore_or_a_header_refuses_is_none(self, thread: Any) -> None:
        assert not MODELS["thread"].is_valid({"prompt": "hello", "threadId": thread})

    @given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=33, max_size=256))
    def test_every_other_is(self, thread: str) -> None:
        assert MODELS["thread"].is_valid({"prompt": "hello", "threadId": thread})


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(PROMPT) | st.just(""),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*FORMS, "threadId", "runId", "role", "content", "id"]), inner, max_size=4)
    ),
    max_leaves=8,
)


class TestARefusal:
    @staticmethod
    def of(payload: Any, mode: SessionFrom = "user") -> str:
        rules = RequestRules({"$default": MODELS[mode]}, (), ())
        with pytest.raises(GatewayError) as refused:
            rules.check(Headers(), {}, json.dumps(payload).encode())
        return refused.value.reason

    @pytest.mark.parametrize(
        ("payload", "said"),
        [
            ({"prompt": 1}, 'instance type (integer) does not match any allowed primitive type (allowed: ["string"])'),
            ({"messages": [{}]}, 'object has missing required properties (["role"])'),
            ({"threadId": "t"}, "instance failed to match at least one required schema among 5"),
        ],
        ids=str,
    )
    def test_names_what_is_wrong(self, payload: Any, said: str) -> None:
        assert said in self.of(payload)

    def test_names_the_thread_that_is_missing(self) -> None:
        assert '["threadId"]' in self.of({"prompt": "hello"}, "thread")

    @given(anything)
    def test_never_repeats_what_a_user_wrote(self, payload: Any) -> None:
        if not MODELS["user"].is_valid(payload):
            assert PROMPT not in self.of(payload)


@pytest.mark.parametrize("mode", MODELS)
def test_the_model_is_a_schema_of_the_draft_that_the_gateway_knows(mode: SessionFrom) -> None:
    Draft4Validator.check_schema(schema(mode))


class TestTheMethod:
    @pytest.fixture
    def dev(self) -> Graph:
        return environment_graph("dev")

    def test_checks_bodies_of_every_content_type(self, dev: Graph) -> None:
        (post,) = (each for each in dev.all("aws:apigateway/method:Method") if each.inputs["httpMethod"] == "POST")
        model = dev.one("aws:apigateway/model:Model")
        assert post.inputs["requestModels"] == {"$default": model.inputs["name"]}
        assert post.inputs["requestValidatorId"] == dev.one("aws:apigateway/requestValidator:RequestValidator").id

    @pytest.mark.parametrize(
        ("mode", "source"),
        [
            ("user", "context.authorizer.claims.sub"),
            ("thread", "method.request.body.threadId"),
            ("header", "method.request.header.X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"),
        ],
    )
    def test_gateway_agent_and_outputs_agree_on_what_names_the_session(self, mode: SessionFrom, source: str) -> None:
        graph = variation("dev", api={"sessionFrom": mode})
        (stream,) = (
            each for each in graph.all("aws:apigateway/integration:Integration") if each.inputs["type"] == "HTTP_PROXY"
        )
        (post,) = (each for each in graph.all("aws:apigateway/method:Method") if each.inputs["httpMethod"] == "POST")
        header = "integration.request.header.X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
        assert stream.inputs["requestParameters"][header] == source
        assert (source in post.inputs["requestParameters"]) == (mode == "header")
        runtime = graph.one("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime")
        assert runtime.inputs["environmentVariables"]["AGENT_SESSION_FROM"] == mode
        assert graph.outputs["sessionFrom"] == mode


def test_the_agent_reads_every_variable_that_the_stack_gives_it() -> None:
    graph = environment_graph("prod")
    variables = graph.one("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime").inputs["environmentVariables"]
    assert {name.removeprefix("AGENT_").lower() for name in variables} <= set(Settings.model_fields)
    assert Settings.from_environment(variables)
