"""Graphs that differ from the declared one by what a test is about, and bodies to send them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from local.program.graph import Graph, Resource

ACL = "aws:wafv2/webAcl:WebAcl"
INTEGRATION = "aws:apigateway/integration:Integration"
SETTINGS = "aws:apigateway/methodSettings:MethodSettings"
KILOBYTE = 1024


def prompt_of(size: int) -> bytes:
    """A body of exactly so many bytes that the model accepts."""
    empty = json.dumps({"prompt": ""}).encode()
    return json.dumps({"prompt": "x" * (size - len(empty))}).encode()


def post_method(graph: Graph) -> Resource:
    """The streaming method."""
    return next(one for one in graph.all("aws:apigateway/method:Method") if one.inputs["httpMethod"] == "POST")


def with_rules(graph: Graph, *rules: dict[str, Any], **inputs: Any) -> Graph:
    """The graph with only these rules in its web ACL."""
    numbered = [
        {"priority": number, "action": {"block": {}}, "name": f"r{number}", **rule} for number, rule in enumerate(rules)
    ]
    return graph.with_inputs(graph.one(ACL).urn, rules=numbered, **inputs)


def in_header(name: str, word: str) -> dict[str, Any]:
    """The statement that a header has a word in it."""
    return {
        "byteMatchStatement": {
            "fieldToMatch": {"singleHeader": {"name": name}},
            "positionalConstraint": "CONTAINS",
            "searchString": word,
            "textTransformations": [{"priority": 0, "type": "LOWERCASE"}],
        }
    }


def throttled(graph: Graph, rate: float, burst: int) -> Graph:
    """The graph with one pace for the stage and the method."""
    for settings in graph.all(SETTINGS):
        pace = {"throttlingRateLimit": rate, "throttlingBurstLimit": burst}
        graph = graph.with_inputs(settings.urn, settings=pace)
    return graph


def integration(graph: Graph) -> Resource:
    """The streaming integration."""
    return next(one for one in graph.all(INTEGRATION) if one.inputs["type"] == "HTTP_PROXY")


def calling_agentcore(graph: Graph, **changes: Any) -> Graph:
    """The graph with the streaming integration changed."""
    return graph.with_inputs(integration(graph).urn, **changes)


def endpoint_type(graph: Graph, kind: str) -> Graph:
    """The graph with another endpoint type."""
    api = graph.one("aws:apigateway/restApi:RestApi")
    return graph.with_inputs(api.urn, endpointConfiguration={"types": kind})


def mapped(graph: Graph, **parameters: str) -> Graph:
    """The graph with more headers mapped to the backend; underscores stand for hyphens."""
    more = {f"integration.request.header.{name.replace('_', '-')}": source for name, source in parameters.items()}
    return calling_agentcore(graph, requestParameters={**integration(graph).inputs["requestParameters"], **more})


def session_from(graph: Graph, source: str) -> Graph:
    """The graph with the session's id taken from another source."""
    header = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
    declared = {**post_method(graph).inputs["requestParameters"], f"method.request.header.{header}": False}
    changed = graph.with_inputs(post_method(graph).urn, requestParameters=declared)
    return mapped(changed, **{header.replace("-", "_"): source})


def team_plan(graph: Graph, *, key: dict[str, Any] | None = None, **plan: Any) -> Graph:
    """The graph with an API key asked for, and one team that has one."""
    template = graph.one(ACL)

    def made(type_: str, id_: str, inputs: dict[str, Any], **outputs: str) -> Resource:
        return dataclasses.replace(
            template, type=f"aws:apigateway/{type_}", urn=id_, id=id_, inputs=inputs, outputs={**inputs, **outputs}
        )

    stage = graph.one("aws:apigateway/stage:Stage").inputs
    here = {"apiId": stage["restApi"], "stage": stage["stageName"]}
    more = (
        made("apiKey:ApiKey", "key", key or {}, value="team-key-0123456789"),
        made("usagePlan:UsagePlan", "plan", {"apiStages": [here], **plan}),
        made("usagePlanKey:UsagePlanKey", "link", {"keyId": "key", "usagePlanId": "plan", "keyType": "API_KEY"}),
    )
    changed = graph.with_inputs(post_method(graph).urn, apiKeyRequired=True)
    return dataclasses.replace(changed, resources=(*changed.resources, *more))
