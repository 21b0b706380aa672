"""Ways to break the local run on purpose, each of which the doctor has to find.

A fault is a change to what a data plane serves, or to the agent behind it, made after provisioning: the user pool
and the addresses stay as they are. What is broken here is what people break on AWS: a setting, never the emulation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from local import LOOPBACK
from local.program.graph import Graph, Resource

Change = Callable[[Graph], Graph]


def _as_declared(graph: Graph) -> Graph:
    return graph


FAULTY_AGENT = "local.doubles.faulty_agent"


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        name: what ``python -m local up --break`` takes.
        description: what is wrong, in a line.
        check: the name of the doctor's check that must find it.
        gateway: changes the graph that the gateway serves.
        runtime: changes the graph that the runtime serves.
        undeployed: the change is in the stage's snapshot only; the resource says what it should.
        agent_environment: added to the agent's environment, after everything else.
        agent_module: the program that stands behind the runtime, as in ``python -m``.
        outputs: changes what the stack exports.
    """

    name: str
    description: str
    check: str
    gateway: Change = _as_declared
    runtime: Change = _as_declared
    undeployed: bool = False
    agent_environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    agent_module: str = "agent"
    outputs: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict

    def resources(self, graph: Graph) -> Graph:
        """The resources as they are: changed like what is served, unless the change is in the snapshot only."""
        return graph if self.undeployed else self.runtime(self.gateway(graph))


SOUND = Fault("", "nothing is wrong", "")


def _of(type_: str, choose: Callable[[Resource], bool] = lambda _one: True, **inputs: Any) -> Change:
    """Changes inputs of every resource of a type that is chosen; an input that is None is removed."""

    def change(graph: Graph) -> Graph:
        for resource in filter(choose, graph.all(type_)):
            graph = graph.with_inputs(resource.urn, **inputs)
        return graph

    return change


def _integration(**inputs: Any) -> Change:
    return _of("aws:apigateway/integration:Integration", lambda one: one.inputs["type"] == "HTTP_PROXY", **inputs)


def _method(verb: str, **inputs: Any) -> Change:
    return _of("aws:apigateway/method:Method", lambda one: one.inputs["httpMethod"] == verb, **inputs)


def _wrong_path(graph: Graph) -> Graph:
    """``/invoke`` is not ``/invocations``, and AgentCore says so with a 401."""
    uri = graph.one("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime").id
    return _integration(uri=f"https://bedrock-agentcore.{graph.region}.amazonaws.com/runtimes/{uri}/invoke")(graph)


def _other_region(graph: Graph) -> Graph:
    """The address as it was copied from a stack elsewhere."""
    name = graph.one("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime").id
    return _integration(uri=f"https://bedrock-agentcore.xx-test-9.amazonaws.com/runtimes/{name}/invocations")(graph)


def _earlier_secret(graph: Graph) -> Graph:
    """The origin secret was rotated: the resource has the new one, and the stage still sends the one before."""
    for one in graph.all("aws:apigateway/integration:Integration"):
        parameters = one.inputs.get("requestParameters") or {}
        changed = {name: "'the-one-before'" if "Origin-Verify" in name else value for name, value in parameters.items()}
        graph = graph.with_inputs(one.urn, requestParameters=changed)
    return graph


def _session_from_caller(graph: Graph) -> Graph:
    """As in most examples: whoever calls names the session."""
    declared = "method.request.header.X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
    for one in graph.all("aws:apigateway/integration:Integration"):
        parameters = one.inputs.get("requestParameters") or {}
        target = declared.replace("method.request", "integration.request")
        if target in parameters:
            graph = graph.with_inputs(one.urn, requestParameters={**parameters, target: declared})
    for one in graph.all("aws:apigateway/method:Method"):
        asked = one.inputs.get("requestParameters")
        if asked:
            graph = graph.with_inputs(one.urn, requestParameters={**asked, declared: False})
    return graph


def _allowed_clients(graph: Graph) -> Graph:
    """``allowed_clients`` looks right and compares ``client_id``, which an ID token does not have."""
    runtime = graph.one("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime")
    authorizer = runtime.inputs["authorizerConfiguration"]["customJwtAuthorizer"]
    changed = {**authorizer, "allowedClients": authorizer["allowedAudiences"]}
    return graph.with_inputs(runtime.urn, authorizerConfiguration={"customJwtAuthorizer": changed})


def _bodies_block(graph: Graph) -> Graph:
    """AWS's rule groups as they come out of the box: every rule on Block, those that read prose among them."""
    acl = graph.one("aws:wafv2/webAcl:WebAcl")
    rules = []
    for rule in acl.inputs["rules"]:
        group = rule["statement"].get("managedRuleGroupStatement")
        if group:
            rule = {**rule, "statement": {"managedRuleGroupStatement": {**group, "ruleActionOverrides": []}}}  # noqa: PLW2901 - the same rule, changed
        rules.append(rule)
    return graph.with_inputs(acl.urn, rules=rules)


def _without(type_: str) -> Change:
    def change(graph: Graph) -> Graph:
        return dataclasses.replace(graph, resources=tuple(one for one in graph.resources if one.type != type_))

    return change


def _log_without_streaming(graph: Graph) -> Graph:
    """The format that every example shows: it knows nothing of streams."""
    stage = graph.one("aws:apigateway/stage:Stage")
    format_ = '{"requestId":"$context.requestId","status":"$context.status","latency":"$context.responseLatency"}'
    settings = {**stage.inputs["accessLogSettings"], "format": format_}
    return graph.with_inputs(stage.urn, accessLogSettings=settings)


_OPEN_TO_SCOPES = {"authorizationScopes": ["aws.cognito.signin.user.admin"]}

_ALL = (
    Fault(
        "stale-outputs",
        "the user pool was replaced, and the outputs name the issuer before",
        "outputs",
        outputs=lambda given: {**given, "issuer": f"{given['issuer']}old"},
    ),
    Fault(
        "no-keys",
        "nothing answers where the outputs, and the runtime's authorizer, look for the pool's keys",
        "sign-in",
        outputs=lambda given: {
            **given,
            "discoveryUrl": urlsplit(given["discoveryUrl"])._replace(netloc=f"{LOOPBACK}:1").geturl(),
        },
    ),
    Fault(
        "access-token-accepted",
        "the method asks for a scope, so the authorizer takes access tokens",
        "authorizer",
        gateway=_method("POST", **_OPEN_TO_SCOPES),
    ),
    Fault(
        "no-authorizer",
        "the method is open to everybody; only the runtime still checks the token",
        "authorizer",
        gateway=_method("POST", authorization="NONE", authorizerId=None),
    ),
    Fault(
        "allowed-clients",
        "the runtime compares client_id, which an ID token does not have",
        "authorizer",
        runtime=_allowed_clients,
    ),
    Fault(
        "wrong-path",
        "the integration calls the runtime at a path that it does not know",
        "deployment",
        gateway=_wrong_path,
    ),
    Fault(
        "stale-deployment",
        "the integration was changed to STREAM, and the stage still serves the snapshot before",
        "deployment",
        gateway=_integration(responseTransferMode=None, timeoutMilliseconds=29_000),
        undeployed=True,
    ),
    Fault(
        "other-region",
        "the integration calls the runtime in another Region",
        "deployment",
        gateway=_other_region,
    ),
    Fault(
        "secret-not-deployed",
        "the origin secret was rotated, and the stage still sends the one before",
        "deployment",
        gateway=_earlier_secret,
        undeployed=True,
    ),
    Fault(
        "buffered",
        "the integration is BUFFERED",
        "deployment",
        gateway=_integration(responseTransferMode="BUFFERED", timeoutMilliseconds=29_000),
    ),
    Fault(
        "short-timeout",
        "the integration streams, and its timeout is left at 29 s",
        "deployment",
        gateway=_integration(timeoutMilliseconds=None),
    ),
    Fault(
        "blocking-agent",
        "the agent waits with time.sleep on the event loop",
        "streaming",
        agent_environment={"AGENT_FAULT": "blocking", "AGENT_DETECT_BLOCKING": ""},
        agent_module=FAULTY_AGENT,
    ),
    Fault(
        "no-heartbeat",
        "the agent sends no comment while it is silent",
        "heartbeat",
        agent_environment={"AGENT_HEARTBEAT_SECONDS": "1000000"},
    ),
    Fault(
        "runs-on",
        "the agent swallows its cancellation and goes on for a reader who has left",
        "hang-up",
        agent_environment={"AGENT_FAULT": "runs-on"},
        agent_module=FAULTY_AGENT,
    ),
    *(
        Fault(name, description, check, agent_environment={"AGENT_FAULT": name}, agent_module=FAULTY_AGENT)
        for name, description, check in (
            ("event-lost", "the agent loses an event of those that it keeps", "attach"),
            ("stop-ignored", "the agent says that it has stopped a run, and goes on", "hang-up"),
            ("always-idle", "the agent says that it is idle while it answers", "ping"),
            ("ping-moves", "the time of the last change in the agent's /ping always moves", "ping"),
        )
    ),
    Fault(
        "prose-blocked",
        "AWS's rule groups block by what a body says",
        "firewall",
        gateway=_bodies_block,
    ),
    Fault(
        "no-firewall",
        "the web ACL is not associated with the stage",
        "firewall",
        gateway=_without("aws:wafv2/webAclAssociation:WebAclAssociation"),
    ),
    Fault(
        "no-throttle",
        "nothing bounds the pace of requests",
        "throttle",
        gateway=_without("aws:apigateway/methodSettings:MethodSettings"),
    ),
    Fault(
        "bypass-open",
        "the agent does not compare the origin secret, so the runtime answers round the API",
        "front-door",
        agent_environment={"AGENT_ORIGIN_SECRET": ""},
    ),
    Fault(
        "any-client",
        "the authorizer takes tokens of every app client of the pool",
        "front-door",
        gateway=_of("aws:apigateway/authorizer:Authorizer", identityValidationExpression=None),
    ),
    Fault(
        "sessions-shared",
        "callers name sessions, and the agent does not bind one to a user",
        "front-door",
        gateway=_session_from_caller,
        agent_environment={"AGENT_FAULT": "sessions-shared", "AGENT_SESSION_FROM": "header"},
        agent_module=FAULTY_AGENT,
        outputs=lambda given: {**given, "sessionFrom": "header"},
    ),
    Fault(
        "shell-open",
        "the runtime has no resource policy, so a token is taken at its other addresses",
        "runtime-policy",
        runtime=_without("aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy"),
    ),
    Fault(
        "closed-preflight",
        "the preflight asks for a token, which a browser does not send",
        "cors",
        gateway=lambda graph: _method(
            "OPTIONS",
            authorization="COGNITO_USER_POOLS",
            authorizerId=graph.one("aws:apigateway/authorizer:Authorizer").id,
        )(graph),
    ),
    Fault(
        "unreadable-refusals",
        "the gateway's own refusals do not name the page's origin",
        "cors",
        gateway=_of("aws:apigateway/response:Response", responseParameters=None),
    ),
    Fault(
        "no-cors",
        "the streamed answer does not name the page's origin",
        "cors",
        agent_environment={"AGENT_ALLOWED_ORIGIN": ""},
    ),
    Fault(
        "cors-twice",
        "the streamed answer names the page's origin twice, as when AgentCore does so besides the agent",
        "cors",
        agent_environment={"AGENT_FAULT": "cors-twice"},
        agent_module=FAULTY_AGENT,
    ),
    Fault(
        "log-without-streaming",
        "the access log does not say when the first content left",
        "logs",
        gateway=_log_without_streaming,
    ),
)

FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}
