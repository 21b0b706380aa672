"""The guard rails: silent on every environment, and each awake to the one thing it guards."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from local.evaluate import evaluate, read_settings
from local.graph import Graph
from local.provider import UnknownProvider
from policy import graph as kinds
from policy.graph import Declared, Stack
from policy.rules import RULES
from tests.infra.graphs import ENVIRONMENTS, environment_graph, variation

Inputs = dict[str, Any]


def declared(graph: Graph) -> list[Declared]:
    return [Declared(each.type, each.name, each.urn, each.inputs) for each in graph.resources]


def broken(resources: list[Declared]) -> dict[str, list[str]]:
    """The rules that fire, each with its messages."""
    stack = Stack(resources)
    found = {rule.name: [message for _, message in rule.check(stack)] for rule in RULES}
    return {name: messages for name, messages in found.items() if messages}


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_every_environment_passes_every_rule(stack: str) -> None:
    assert broken(declared(environment_graph(stack))) == {}


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_a_first_preview_passes_every_rule_although_little_is_known(stack: str) -> None:
    graph = evaluate(stack, UnknownProvider(), settings=read_settings(stack), preview=True)
    assert broken(declared(graph)) == {}


def test_the_private_way_passes_every_rule() -> None:
    private = variation("prod", runtime={"bypassProtection": "private"}, network={})
    assert broken(declared(private)) == {}


class Mutation(NamedTuple):
    """One way to undo a mechanism: of resources of a type that match, the inputs changed (None: removed)."""

    what: str
    rule: str
    type: str
    change: Callable[[Inputs], Inputs | None]
    where: Callable[[Inputs], bool] = lambda _inputs: True


def replace(*path: str, by: Any = None) -> Callable[[Inputs], Inputs]:
    """Sets a nested input, or removes it when no value is given."""

    def change(inputs: Inputs) -> Inputs:
        copy: Inputs = json.loads(json.dumps(inputs))
        holder = copy
        for key in path[:-1]:
            holder = holder.setdefault(key, {})
        if by is None:
            holder.pop(path[-1], None)
        else:
            holder[path[-1]] = by
        return copy

    return change


def removed(_inputs: Inputs) -> None:
    return None


def widened(**members: Any) -> Callable[[Inputs], Inputs]:
    """Adds a statement to a policy document."""

    def change(inputs: Inputs) -> Inputs:
        document = json.loads(inputs["policy"])
        document["Statement"].append({"Effect": "Allow", **members})
        return {**inputs, "policy": json.dumps(document)}

    return change


def facing_agentcore(inputs: Inputs) -> bool:
    return "bedrock-agentcore" in inputs.get("uri", "")


def posting(inputs: Inputs) -> bool:
    return bool(inputs["httpMethod"] == "POST")


JWT = ("authorizerConfiguration", "customJwtAuthorizer")
OTHER_POOL = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_other/.well-known/openid-configuration"
AUTHORIZER_ARN = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_other"

MUTATIONS = (
    Mutation(
        "BUFFERED",
        "stream-to-agentcore",
        kinds.INTEGRATION,
        replace("responseTransferMode", by="BUFFERED"),
        facing_agentcore,
    ),
    Mutation(
        "no transfer mode", "stream-to-agentcore", kinds.INTEGRATION, replace("responseTransferMode"), facing_agentcore
    ),
    Mutation("not a raw proxy", "stream-to-agentcore", kinds.INTEGRATION, replace("type", by="HTTP"), facing_agentcore),
    Mutation("no timeout", "timeout-is-raised", kinds.INTEGRATION, replace("timeoutMilliseconds"), facing_agentcore),
    Mutation(
        "29 s", "timeout-is-raised", kinds.INTEGRATION, replace("timeoutMilliseconds", by=29_000), facing_agentcore
    ),
    Mutation(
        "another path",
        "invocations-address",
        kinds.INTEGRATION,
        lambda inputs: {**inputs, "uri": inputs["uri"].replace("/invocations", "/invoke")},
        facing_agentcore,
    ),
    Mutation(
        "no qualifier",
        "invocations-address",
        kinds.INTEGRATION,
        replace("requestParameters", "integration.request.querystring.qualifier"),
        facing_agentcore,
    ),
    Mutation(
        "no account",
        "invocations-address",
        kinds.INTEGRATION,
        replace("requestParameters", "integration.request.querystring.accountId"),
        facing_agentcore,
    ),
    Mutation(
        "content handling",
        "nothing-holds-the-stream",
        kinds.INTEGRATION,
        replace("contentHandling", by="CONVERT_TO_TEXT"),
        facing_agentcore,
    ),
    Mutation(
        "response template",
        "nothing-holds-the-stream",
        kinds.INTEGRATION_RESPONSE,
        lambda inputs: {**inputs, "httpMethod": "POST", "responseTemplates": {"application/json": "$input.body"}},
    ),
    Mutation("compression", "nothing-holds-the-stream", kinds.REST_API, replace("minimumCompressionSize", by="1024")),
    Mutation("stage cache", "nothing-holds-the-stream", kinds.STAGE, replace("cacheClusterEnabled", by=True)),
    Mutation(
        "method cache",
        "nothing-holds-the-stream",
        kinds.METHOD_SETTINGS,
        replace("settings", "cachingEnabled", by=True),
    ),
    Mutation(
        "endpoint left behind",
        "endpoint-follows-the-runtime",
        kinds.RUNTIME_ENDPOINT,
        replace("agentRuntimeVersion"),
    ),
    Mutation("open method", "id-token-required", kinds.METHOD, replace("authorization", by="NONE"), posting),
    Mutation("IAM method", "id-token-required", kinds.METHOD, replace("authorization", by="AWS_IAM"), posting),
    Mutation("scopes", "id-token-required", kinds.METHOD, replace("authorizationScopes", by=["openid"]), posting),
    Mutation("any client", "app-client-pinned", kinds.AUTHORIZER, replace("identityValidationExpression")),
    Mutation(
        "client not anchored", "app-client-pinned", kinds.AUTHORIZER, replace("identityValidationExpression", by=".*")
    ),
    Mutation("SigV4 runtime", "runtime-agrees", kinds.RUNTIME, replace("authorizerConfiguration")),
    Mutation("allowed clients", "runtime-agrees", kinds.RUNTIME, replace(*JWT, "allowedClients", by=["x"])),
    Mutation("allowed scopes", "runtime-agrees", kinds.RUNTIME, replace(*JWT, "allowedScopes", by=["openid"])),
    Mutation("no audience", "runtime-agrees", kinds.RUNTIME, replace(*JWT, "allowedAudiences")),
    Mutation("another audience", "runtime-agrees", kinds.RUNTIME, replace(*JWT, "allowedAudiences", by=["x"])),
    Mutation("another pool", "runtime-agrees", kinds.RUNTIME, replace(*JWT, "discoveryUrl", by=OTHER_POOL)),
    Mutation(
        "gateway on another pool", "runtime-agrees", kinds.AUTHORIZER, replace("providerArns", by=[AUTHORIZER_ARN])
    ),
    Mutation("token stripped", "token-reaches-agent", kinds.RUNTIME, replace("requestHeaderConfiguration")),
    Mutation("client secret", "public-client", kinds.CLIENT, replace("generateSecret", by=True)),
    Mutation(
        "password flow",
        "public-client",
        kinds.CLIENT,
        replace("explicitAuthFlows", by=["ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH"]),
    ),
    Mutation("no web ACL on the stage", "web-acl-on-stage", kinds.ASSOCIATION, removed),
    Mutation(
        "web ACL on another stage",
        "web-acl-on-stage",
        kinds.ASSOCIATION,
        lambda inputs: {**inputs, "resourceArn": inputs["resourceArn"] + "-old"},
    ),
    Mutation(
        "no size rule",
        "bodies-are-inspected",
        kinds.WEB_ACL,
        lambda inputs: {**inputs, "rules": [rule for rule in inputs["rules"] if rule["name"] != "body-size"]},
    ),
    Mutation("default inspection", "bodies-are-inspected", kinds.WEB_ACL, replace("associationConfig")),
    Mutation("no access log", "logs-on", kinds.STAGE, replace("accessLogSettings")),
    Mutation("no WAF log", "logs-on", kinds.WEB_ACL_LOGGING, removed),
    Mutation(
        "data trace", "no-secret-in-logs", kinds.METHOD_SETTINGS, replace("settings", "dataTraceEnabled", by=True)
    ),
    Mutation(
        "execution log", "no-secret-in-logs", kinds.METHOD_SETTINGS, replace("settings", "loggingLevel", by="INFO")
    ),
    Mutation("token in WAF log", "no-secret-in-logs", kinds.WEB_ACL_LOGGING, replace("redactedFields")),
    Mutation("no throttle", "throttled", kinds.METHOD_SETTINGS, removed, lambda inputs: inputs["methodPath"] == "*/*"),
    Mutation(
        "throttle of 10,000",
        "throttled",
        kinds.METHOD_SETTINGS,
        replace("settings", "throttlingRateLimit", by=10_000),
        lambda inputs: inputs["methodPath"] == "*/*",
    ),
    Mutation(
        "unlimited burst",
        "throttled",
        kinds.METHOD_SETTINGS,
        replace("settings", "throttlingBurstLimit", by=-1),
        lambda inputs: inputs["methodPath"] == "*/*",
    ),
    Mutation(
        "wildcard action", "least-privilege", kinds.ROLE_POLICY, widened(Action="s3:*", Resource="arn:aws:s3:::one")
    ),
    Mutation("wildcard resource", "least-privilege", kinds.ROLE_POLICY, widened(Action=["s3:GetObject"], Resource="*")),
    Mutation(
        "every model",
        "least-privilege",
        kinds.ROLE_POLICY,
        widened(Action="bedrock:InvokeModel", Resource="arn:aws:bedrock:us-east-1::foundation-model/*"),
    ),
    Mutation(
        "secret not asked for",
        "no-way-round",
        kinds.RUNTIME,
        replace("environmentVariables", "AGENT_ORIGIN_SECRET"),
    ),
    Mutation(
        "secret not sent",
        "no-way-round",
        kinds.INTEGRATION,
        replace(
            "requestParameters",
            "integration.request.header.X-Amzn-Bedrock-AgentCore-Runtime-Custom-Origin-Verify",
        ),
        facing_agentcore,
    ),
)


def mutated(resources: list[Declared], mutation: Mutation) -> list[Declared]:
    result: list[Declared] = []
    touched = 0
    for each in resources:
        if each.type != mutation.type or not mutation.where(dict(each.inputs)):
            result.append(each)
            continue
        touched += 1
        inputs = mutation.change(dict(each.inputs))
        if inputs is not None:
            result.append(dataclasses.replace(each, inputs=inputs))
    assert touched, f"nothing to break for {mutation.what}"
    return result


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_breaking_one_thing_wakes_its_rule_and_no_other(mutation: Mutation) -> None:
    resources = declared(environment_graph("prod"))
    found = broken(mutated(resources, mutation))
    assert list(found) == [mutation.rule], found


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_a_message_says_what_to_do(mutation: Mutation) -> None:
    resources = declared(environment_graph("prod"))
    for message in broken(mutated(resources, mutation))[mutation.rule]:
        assert message.endswith(".")
        assert any(
            verb in message for verb in ("Declare", "Remove", "Set", "Use", "Map", "Put", "Name", "Pass", "Redact")
        )


def test_every_rule_has_a_mutation() -> None:
    assert {rule.name for rule in RULES} == {mutation.rule for mutation in MUTATIONS}


def test_outside_production_the_bypass_is_the_stacks_own_choice() -> None:
    assert broken(declared(variation("dev", runtime={"bypassProtection": "none"}))) == {}
