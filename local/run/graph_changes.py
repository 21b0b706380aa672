"""Changes to a graph that introduce a mistake which people make on AWS; see `local.run.misconfigurations`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from contract import SESSION_HEADER, Kind
from local.program.graph import Graph, Resource

Change = Callable[[Graph], Graph]


def inputs_of(type_: str, choose: Callable[[Resource], bool] = lambda _one: True, **inputs: Any) -> Change:
    """Changes inputs of every chosen resource of a type; None removes an input."""

    def change(graph: Graph) -> Graph:
        for resource in filter(choose, graph.all(type_)):
            graph = graph.with_inputs(resource.urn, **inputs)
        return graph

    return change


def integration(**inputs: Any) -> Change:
    """Changes inputs of every integration with the runtime."""
    return inputs_of(Kind.INTEGRATION, lambda one: one.inputs["type"] == "HTTP_PROXY", **inputs)


def method(verb: str, **inputs: Any) -> Change:
    """Changes inputs of every method of one verb."""
    return inputs_of(Kind.METHOD, lambda one: one.inputs["httpMethod"] == verb, **inputs)


def wrong_path(graph: Graph) -> Graph:
    """``/invoke`` is not ``/invocations``, and AgentCore says so with a 401."""
    uri = graph.one(Kind.RUNTIME).id
    return integration(uri=f"https://bedrock-agentcore.{graph.region}.amazonaws.com/runtimes/{uri}/invoke")(graph)


def other_region(graph: Graph) -> Graph:
    """The runtime's address, copied from a stack in another Region."""
    name = graph.one(Kind.RUNTIME).id
    return integration(uri=f"https://bedrock-agentcore.xx-test-9.amazonaws.com/runtimes/{name}/invocations")(graph)


def earlier_secret(graph: Graph) -> Graph:
    """The origin secret was rotated: the resource has the new one, and the stage still sends the previous one."""
    for one in graph.all(Kind.INTEGRATION):
        parameters = one.inputs.get("requestParameters") or {}
        changed = {name: "'the-one-before'" if "Origin-Verify" in name else value for name, value in parameters.items()}
        graph = graph.with_inputs(one.urn, requestParameters=changed)
    return graph


def session_from_caller(graph: Graph) -> Graph:
    """As in most examples: the caller names the session."""
    declared = f"method.request.header.{SESSION_HEADER}"
    for one in graph.all(Kind.INTEGRATION):
        parameters = one.inputs.get("requestParameters") or {}
        target = declared.replace("method.request", "integration.request")
        if target in parameters:
            graph = graph.with_inputs(one.urn, requestParameters={**parameters, target: declared})
    for one in graph.all(Kind.METHOD):
        parameters = one.inputs.get("requestParameters")
        if parameters:
            graph = graph.with_inputs(one.urn, requestParameters={**parameters, declared: False})
    return graph


def allowed_clients(graph: Graph) -> Graph:
    """``allowed_clients`` looks right and compares ``client_id``, which an ID token does not have."""
    runtime = graph.one(Kind.RUNTIME)
    authorizer = runtime.inputs["authorizerConfiguration"]["customJwtAuthorizer"]
    changed = {**authorizer, "allowedClients": authorizer["allowedAudiences"]}
    return graph.with_inputs(runtime.urn, authorizerConfiguration={"customJwtAuthorizer": changed})


def bodies_block(graph: Graph) -> Graph:
    """AWS's managed rule groups without overrides: every rule blocks, including those that match prose."""
    for acl in graph.all(Kind.WEB_ACL):
        rules = []
        for rule in acl.inputs["rules"]:
            group = rule["statement"].get("managedRuleGroupStatement")
            if group:
                rule = {**rule, "statement": {"managedRuleGroupStatement": {**group, "ruleActionOverrides": []}}}  # noqa: PLW2901 - the same rule, changed
            rules.append(rule)
        graph = graph.with_inputs(acl.urn, rules=rules)
    return graph


def without(type_: str) -> Change:
    """Removes every resource of a type."""

    def change(graph: Graph) -> Graph:
        return dataclasses.replace(graph, resources=tuple(one for one in graph.resources if one.type != type_))

    return change


def log_without_streaming(graph: Graph) -> Graph:
    """The format that every example shows, without the variables of response streaming."""
    stage = graph.one(Kind.STAGE)
    format_ = '{"requestId":"$context.requestId","status":"$context.status","latency":"$context.responseLatency"}'
    settings = {**stage.inputs["accessLogSettings"], "format": format_}
    return graph.with_inputs(stage.urn, accessLogSettings=settings)
