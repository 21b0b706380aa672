"""What a graph declares and the gateway cannot serve is said when it is read, by the name of the resource."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local.planes.gateway import __main__ as gateway
from local.planes.gateway.api import api_from_graph
from local.planes.limits import not_emulated
from local.program.graph import Graph, ProgramError
from tests.local.changes import calling_agentcore, endpoint_type, integration, mapped, post_method

AUTHORIZER = "aws:apigateway/authorizer:Authorizer"
RESPONSE = "aws:apigateway/response:Response"

Change = Callable[[Graph], Graph]


def method(**inputs: object) -> Change:
    return lambda graph: graph.with_inputs(post_method(graph).urn, **inputs)


def refusal(**inputs: object) -> Change:
    return lambda graph: graph.with_inputs(graph.all(RESPONSE)[0].urn, **inputs)


def path_part(text: str) -> Change:
    return lambda graph: graph.with_inputs(graph.one("aws:apigateway/resource:Resource").urn, pathPart=text)


def preflight_header(source: str) -> Change:
    def change(graph: Graph) -> Graph:
        response = graph.one("aws:apigateway/integrationResponse:IntegrationResponse")
        return graph.with_inputs(response.urn, responseParameters={"method.response.header.X": source})

    return change


def model(schema: str) -> Change:
    return lambda graph: graph.with_inputs(graph.one("aws:apigateway/model:Model").urn, schema=schema)


def another_preflight_answer(graph: Graph) -> Graph:
    answer = graph.one("aws:apigateway/integrationResponse:IntegrationResponse")
    failure = dataclasses.replace(answer, urn=f"{answer.urn}-failure", inputs={**answer.inputs, "statusCode": "500"})
    return dataclasses.replace(graph, resources=(*graph.resources, failure))


def behind(**inputs: object) -> Change:
    return lambda graph: calling_agentcore(graph, **inputs)


def integration_of(kind: str) -> Change:
    return behind(type=kind, responseTransferMode="BUFFERED", timeoutMilliseconds=29_000)


def mapping(source: str) -> Change:
    return lambda graph: mapped(graph, X_Mapped=source)


# The change, and what the sentence about it names.
UNSERVED: dict[str, tuple[Change, str]] = {
    "IAM": (method(authorization="AWS_IAM"), "AWS_IAM"),
    "a Lambda authorizer": (method(authorization="CUSTOM"), "CUSTOM"),
    "an authorizer of another type": (
        lambda graph: graph.with_inputs(graph.one(AUTHORIZER).urn, type="TOKEN"),
        "TOKEN",
    ),
    "HTTP": (integration_of("HTTP"), "type HTTP"),
    "AWS": (integration_of("AWS"), "type AWS"),
    "AWS_PROXY": (integration_of("AWS_PROXY"), "AWS_PROXY"),
    "a mock that streams": (behind(type="MOCK"), "MOCK that streams"),
    "STREAM too short": (behind(timeoutMilliseconds=49), "49 ms"),
    "STREAM too long": (behind(timeoutMilliseconds=900_001), "900001 ms"),
    "BUFFERED too long": (behind(responseTransferMode="BUFFERED", timeoutMilliseconds=300_001), "300001 ms"),
    "a path parameter": (path_part("{proxy+}"), "{proxy+}"),
    "a stage variable": (mapping("stageVariables.team"), "stageVariables.team"),
    "the path": (mapping("method.request.path.id"), "method.request.path.id"),
    "a context variable of something else": (mapping("context.authorizer.principalId"), "context.authorizer"),
    "a header that the method does not declare": (mapping("method.request.header.X-Undeclared"), "X-Undeclared"),
    "a mapping to the path": (
        behind(requestParameters={"integration.request.path.id": "'1'"}),
        "integration.request.path",
    ),
    "a preflight that mirrors": (preflight_header("method.request.header.Origin"), "method.request.header.Origin"),
    "a refusal's header": (
        refusal(responseParameters={"gatewayresponse.header.X": "stageVariables.x"}),
        "stageVariables.x",
    ),
    "a model that is no schema": (model('{"type": "strng"}'), "strng"),
    "a model that is no JSON": (model("{"), "one whole JSON schema"),
    "a model that is elsewhere": (model('{"$ref": "http://127.0.0.1:9/models/Prompt"}'), "127.0.0.1:9"),
    "two answers of a mock": (another_preflight_answer, "2 integration responses"),
    "a refusal's text": (refusal(responseTemplates={"application/json": "$stageVariables.x"}), "$stageVariables.x"),
}


@pytest.mark.parametrize("name", UNSERVED)
def test_what_is_not_served_is_said_by_name(name: str, graph: Graph) -> None:
    change, named = UNSERVED[name]
    with pytest.raises(ProgramError) as error:
        api_from_graph(change(graph))
    assert named in str(error.value)
    assert "agent-stream-dev-" in str(error.value)


@pytest.mark.parametrize(("mode", "milliseconds"), [("STREAM", 50), ("STREAM", 900_000), ("BUFFERED", 300_000)])
def test_the_longest_and_the_shortest_timeout_are_served(mode: str, milliseconds: int, graph: Graph) -> None:
    changed = calling_agentcore(graph, responseTransferMode=mode, timeoutMilliseconds=milliseconds)
    assert api_from_graph(changed).methods["/invocations"]["POST"].integration.timeout == milliseconds / 1000


def test_the_default_timeout_is_29_seconds(graph: Graph) -> None:
    changed = calling_agentcore(graph, timeoutMilliseconds=None)
    assert api_from_graph(changed).methods["/invocations"]["POST"].integration.timeout == 29


@pytest.mark.parametrize(("kind", "seconds"), [("REGIONAL", 300), ("PRIVATE", 300), ("EDGE", 30)])
def test_the_idle_limit_goes_by_the_endpoint_type(kind: str, seconds: float, graph: Graph) -> None:
    assert api_from_graph(endpoint_type(graph, kind)).idle_limit == seconds


def policies_not_emulated(graph: Graph) -> list[str]:
    return [line for line in not_emulated(graph) if "the API's resource policy" in line]


def test_a_resource_policy_that_lets_anybody_call_leaves_nothing_out(graph: Graph) -> None:
    api = graph.one("aws:apigateway/restApi:RestApi")
    assert json.loads(api.inputs["policy"])["Statement"]
    assert not policies_not_emulated(graph)
    assert not policies_not_emulated(graph.with_inputs(api.urn, policy=None))


@pytest.mark.parametrize(
    "changes",
    [
        {"Condition": {"StringEquals": {"aws:SourceVpce": ["vpce-0123456789abcdef0"]}}},
        {"Effect": "Deny"},
        {"Principal": {"AWS": "arn:aws:iam::000000000000:root"}},
        {"Resource": "execute-api:/*/GET/*"},
    ],
)
def test_a_resource_policy_that_restricts_is_listed_as_not_emulated(changes: dict[str, object], graph: Graph) -> None:
    api = graph.one("aws:apigateway/restApi:RestApi")
    policy = json.loads(api.inputs["policy"])
    (statement,) = policy["Statement"]
    alone = {**policy, "Statement": [{**statement, **changes}]}
    beside = {**policy, "Statement": [statement, {**statement, **changes}]}
    for restricted in (alone, beside, {}):
        assert policies_not_emulated(graph.with_inputs(api.urn, policy=json.dumps(restricted)))


def test_a_gateway_that_cannot_serve_its_graph_says_so_in_one_sentence(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "graph.json"
    file.write_text(graph.with_inputs(integration(graph).urn, type="AWS").to_json(), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["gateway", "--graph", str(file), "--port", "1"])
    with pytest.raises(SystemExit) as ended:
        gateway.main()
    (sentence,) = str(ended.value).splitlines()  # which Python prints before it exits with 1
    assert sentence.startswith("agent-stream-dev-stream declares an integration of type AWS, which the local run ")
