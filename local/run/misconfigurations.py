"""Deliberate misconfigurations of the local run, each of which the doctor must find.

Each changes what a data plane serves, or the agent behind it, after provisioning: the user pool and the addresses stay
as they are. Each is a mistake that people make on AWS, in a setting; the emulation itself is not changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from contract import DEFAULT_TIMEOUT_MILLISECONDS, Kind
from local import LOOPBACK
from local.program.graph import Graph
from local.run import graph_changes as changes
from local.run.graph_changes import Change


def _unchanged(graph: Graph) -> Graph:
    return graph


FAULTY_AGENT = "local.doubles.faulty_agent"


@dataclasses.dataclass(frozen=True, slots=True)
class Misconfiguration:
    """One misconfiguration.

    Attributes:
        name: what ``python -m local up --break`` takes.
        description: what is wrong, in a line.
        check: the name of the doctor's check that must find it.
        gateway: changes the graph that the gateway serves.
        runtime: changes the graph that the runtime serves.
        undeployed: only the stage's deployed snapshot is changed; the resource is as declared.
        agent_environment: added to the agent's environment, after everything else.
        agent_module: the agent program behind the runtime, as in ``python -m``.
        outputs: changes the stack's outputs.
    """

    name: str
    description: str
    check: str
    gateway: Change = _unchanged
    runtime: Change = _unchanged
    undeployed: bool = False
    agent_environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    agent_module: str = "agent"
    outputs: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict

    def resources(self, graph: Graph) -> Graph:
        """The resources as AWS's APIs describe them: changed too, unless only the stage's snapshot is."""
        return graph if self.undeployed else self.runtime(self.gateway(graph))


AS_DECLARED = Misconfiguration("", "nothing is wrong", "")


_OPEN_TO_SCOPES = {"authorizationScopes": ["aws.cognito.signin.user.admin"]}

_ALL = (
    Misconfiguration(
        "stale-outputs",
        "the user pool was replaced, and the outputs name the previous issuer",
        "outputs",
        outputs=lambda given: {**given, "issuer": f"{given['issuer']}old"},
    ),
    Misconfiguration(
        "no-keys",
        "nothing answers where the outputs, and the runtime's authorizer, look for the pool's keys",
        "sign-in",
        outputs=lambda given: {
            **given,
            "discoveryUrl": urlsplit(given["discoveryUrl"])._replace(netloc=f"{LOOPBACK}:1").geturl(),
        },
    ),
    Misconfiguration(
        "access-token-accepted",
        "the method requires a scope, so the authorizer accepts access tokens",
        "authorizer",
        gateway=changes.method("POST", **_OPEN_TO_SCOPES),
    ),
    Misconfiguration(
        "no-authorizer",
        "the method requires no token; only the runtime still checks it",
        "authorizer",
        gateway=changes.method("POST", authorization="NONE", authorizerId=None),
    ),
    Misconfiguration(
        "allowed-clients",
        "the runtime compares client_id, which an ID token does not have",
        "authorizer",
        runtime=changes.allowed_clients,
    ),
    Misconfiguration(
        "wrong-path",
        "the integration calls the runtime at a path that it does not know",
        "deployment",
        gateway=changes.wrong_path,
    ),
    Misconfiguration(
        "stale-deployment",
        "the integration was changed to STREAM, and the stage still serves the previous snapshot",
        "deployment",
        gateway=changes.integration(responseTransferMode=None, timeoutMilliseconds=DEFAULT_TIMEOUT_MILLISECONDS),
        undeployed=True,
    ),
    Misconfiguration(
        "other-region",
        "the integration calls the runtime in another Region",
        "deployment",
        gateway=changes.other_region,
    ),
    Misconfiguration(
        "secret-not-deployed",
        "the origin secret was rotated, and the stage still sends the previous one",
        "deployment",
        gateway=changes.earlier_secret,
        undeployed=True,
    ),
    Misconfiguration(
        "buffered",
        "the integration is BUFFERED",
        "deployment",
        gateway=changes.integration(responseTransferMode="BUFFERED", timeoutMilliseconds=DEFAULT_TIMEOUT_MILLISECONDS),
    ),
    Misconfiguration(
        "short-timeout",
        "the integration streams, and its timeout is left at 29 s",
        "deployment",
        gateway=changes.integration(timeoutMilliseconds=None),
    ),
    Misconfiguration(
        "blocking-agent",
        "the agent waits with time.sleep on the event loop",
        "streaming",
        agent_environment={"AGENT_FAULT": "blocking", "AGENT_DETECT_BLOCKING": ""},
        agent_module=FAULTY_AGENT,
    ),
    Misconfiguration(
        "no-heartbeat",
        "the agent sends no comment while it is silent",
        "heartbeat",
        agent_environment={"AGENT_HEARTBEAT_SECONDS": "1000000"},
    ),
    Misconfiguration(
        "runs-on",
        "the agent swallows its cancellation and goes on for a reader who has left",
        "hang-up",
        agent_environment={"AGENT_FAULT": "runs-on"},
        agent_module=FAULTY_AGENT,
    ),
    *(
        Misconfiguration(name, description, check, agent_environment={"AGENT_FAULT": name}, agent_module=FAULTY_AGENT)
        for name, description, check in (
            ("event-lost", "the agent loses one of the events that it keeps for a run", "attach"),
            ("stop-ignored", "the agent says that it has stopped a run, and goes on", "hang-up"),
            ("always-idle", "the agent says that it is idle while it answers", "ping"),
            ("ping-moves", "the agent's /ping reports a new time_of_last_update at every call", "ping"),
        )
    ),
    Misconfiguration(
        "prose-blocked",
        "AWS's managed rule groups block on what a body says",
        "firewall",
        gateway=changes.bodies_block,
    ),
    Misconfiguration(
        "no-firewall",
        "the web ACL is not associated with the stage",
        "firewall",
        gateway=changes.without(Kind.WEB_ACL_ASSOCIATION),
    ),
    Misconfiguration(
        "no-throttle",
        "nothing limits the rate of requests",
        "throttle",
        gateway=changes.without(Kind.METHOD_SETTINGS),
    ),
    Misconfiguration(
        "bypass-open",
        "the agent does not compare the origin secret, so the runtime answers calls that bypass the API",
        "front-door",
        agent_environment={"AGENT_ORIGIN_SECRET": ""},
    ),
    Misconfiguration(
        "any-client",
        "the authorizer takes tokens of every app client of the pool",
        "front-door",
        gateway=changes.inputs_of(Kind.AUTHORIZER, identityValidationExpression=None),
    ),
    Misconfiguration(
        "sessions-shared",
        "callers name sessions, and the agent does not bind one to a user",
        "front-door",
        gateway=changes.session_from_caller,
        agent_environment={"AGENT_FAULT": "sessions-shared", "AGENT_SESSION_FROM": "header"},
        agent_module=FAULTY_AGENT,
        outputs=lambda given: {**given, "sessionFrom": "header"},
    ),
    Misconfiguration(
        "shell-open",
        "the runtime has no resource policy, so a token is taken at its other addresses",
        "runtime-policy",
        runtime=changes.without(Kind.RESOURCE_POLICY),
    ),
    Misconfiguration(
        "closed-preflight",
        "the preflight requires a token, which a browser does not send",
        "cors",
        gateway=lambda graph: changes.method(
            "OPTIONS",
            authorization="COGNITO_USER_POOLS",
            authorizerId=graph.one(Kind.AUTHORIZER).id,
        )(graph),
    ),
    Misconfiguration(
        "unreadable-refusals",
        "the gateway's own refusals do not name the page's origin",
        "cors",
        gateway=changes.inputs_of("aws:apigateway/response:Response", responseParameters=None),
    ),
    Misconfiguration(
        "no-cors",
        "the streamed answer does not name the page's origin",
        "cors",
        agent_environment={"AGENT_ALLOWED_ORIGIN": ""},
    ),
    Misconfiguration(
        "cors-twice",
        "the streamed answer names the page's origin twice, as when AgentCore does so besides the agent",
        "cors",
        agent_environment={"AGENT_FAULT": "cors-twice"},
        agent_module=FAULTY_AGENT,
    ),
    Misconfiguration(
        "log-without-streaming",
        "the access log does not say when the first content left",
        "logs",
        gateway=changes.log_without_streaming,
    ),
)

MISCONFIGURATIONS: Mapping[str, Misconfiguration] = {one.name: one for one in _ALL}


def listing() -> list[dict[str, str]]:
    """Every one for JSON: its ``name``, ``description`` and the ``check`` that finds it."""
    return [{"name": one.name, "description": one.description, "check": one.check} for one in _ALL]
