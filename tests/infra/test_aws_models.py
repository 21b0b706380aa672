"""Every declared resource, held against AWS's own model of the operation that creates it.

What could not be mapped is listed in `NOT_MAPPED`, and in each call's `leave`, of `aws_calls`, with the reason.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.program.graph import Graph, Resource
from tests.infra.aws_calls import CALLS, NOT_MAPPED
from tests.infra.aws_models import complaints, request
from tests.infra.graphs import ENVIRONMENTS, VARIATIONS, any_stack, environment_graph


def refusals(graph: Graph) -> list[str]:
    return [text for each in graph.resources if each.type in CALLS for text in refusals_of(each)]


def refusals_of(resource: Resource) -> list[str]:
    return [
        f"{resource.name}: {text}"
        for call in CALLS[resource.type]
        for text in complaints(call, request(call, resource.name, resource.inputs))
    ]


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_aws_would_refuse_nothing_of_an_environment(stack: str) -> None:
    assert refusals(environment_graph(stack)) == []


@pytest.mark.parametrize("parts", VARIATIONS)
def test_aws_would_refuse_nothing_of_the_optional_parts(parts: str) -> None:
    assert refusals(any_stack(parts)) == []


def test_every_type_is_mapped_or_its_absence_explained() -> None:
    stacks = map(any_stack, (*ENVIRONMENTS, *VARIATIONS))
    types = {each.type for graph in stacks for each in graph.resources if not each.type.startswith("agentstream:")}
    assert types == set(CALLS) | set(NOT_MAPPED)


@pytest.mark.parametrize(
    ("type_", "path", "value"),
    [
        ("aws:apigateway/integration:Integration", ["responseTransferMode"], "STREAMED"),
        ("aws:apigateway/restApi:RestApi", ["securityPolicy"], "TLS_1_4"),
        ("aws:apigateway/response:Response", ["responseType"], "TOO_MANY"),
        ("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime", ["agentRuntimeName"], "agent-stream-dev"),
        ("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime", ["protocolConfiguration", "serverProtocol"], "SSE"),
        ("aws:cloudwatch/logGroup:LogGroup", ["name"], "a group"),
        ("aws:cognito/userPoolClient:UserPoolClient", ["idTokenValidity"], 0),
        ("aws:cognito/userPoolClient:UserPoolClient", ["explicitAuthFlows"], ["ALLOW_ANYTHING"]),
        ("aws:wafv2/webAcl:WebAcl", ["scope"], "GLOBAL"),
        ("aws:iam/role:Role", ["assumeRolePolicy"], ""),
    ],
)
def test_a_value_that_aws_refuses_is_refused_here(type_: str, path: list[str], value: Any) -> None:
    resource = environment_graph("dev").all(type_)[0]
    inputs = json.loads(json.dumps(dict(resource.inputs)))
    holder = inputs
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    call = CALLS[type_][0]
    assert complaints(call, request(call, resource.name, inputs))
