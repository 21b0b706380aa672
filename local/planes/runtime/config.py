"""The declared AgentCore runtime as the data plane needs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from contract import Kind
from local.planes.runtime.policy import denied_actions
from local.program.graph import Graph, ProgramError

DEFAULT_QUALIFIER = "DEFAULT"
DEFAULT_IDLE_SECONDS = 900
DEFAULT_LIFETIME_SECONDS = 28_800

ANSWER_SECONDS = 900.0
"""An agent gets this long to begin its response."""

STREAM_SECONDS = 3600.0
"""And this long to end it (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/bedrock-agentcore-limits.html)."""

POLL_SECONDS = 2.0
"""How often AgentCore asks for /ping, as one team measured (https://github.com/fastagent-sh/fastagent/pull/314)."""


@dataclasses.dataclass(frozen=True, slots=True)
class CustomClaim:
    """A required claim of the token.

    Attributes:
        name: of the claim.
        operator: ``EQUALS`` for a string; ``CONTAINS`` or ``CONTAINS_ANY`` for a list of strings.
        values: the string must equal, or the list contain, one of these.
    """

    name: str
    operator: str
    values: frozenset[str]

    def holds(self, claim: Any) -> bool:
        """Whether the token's claim has a required value; a missing claim, or one of another type, has not."""
        if self.operator == "EQUALS":
            return isinstance(claim, str) and claim in self.values
        return isinstance(claim, list) and any(one in self.values for one in claim if isinstance(one, str))


@dataclasses.dataclass(frozen=True, slots=True)
class JwtAuthorizer:
    """The conditions on a token; every list that is not empty must match.

    Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/inbound-jwt-authorizer.html
    """

    discovery_url: str
    audiences: frozenset[str]
    clients: frozenset[str]
    scopes: frozenset[str]
    custom_claims: tuple[CustomClaim, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """One runtime.

    Attributes:
        authorizer: None where the runtime accepts signed AWS requests instead of tokens.
        forwarded: request headers that reach the agent, in lower case.
        qualifiers: names of its endpoints.
        idle_seconds: how long a session's microVM waits for a request before it ends.
        lifetime_seconds: the longest life of a microVM.
        poll_seconds: the time between two calls of /ping.
        answer_seconds: how long an agent may take to begin its response.
        stream_seconds: how long an agent may take to end it.
        denied: patterns of the operations that its resource policy denies to token bearers.
    """

    id: str
    arn: str
    authorizer: JwtAuthorizer | None
    forwarded: frozenset[str]
    qualifiers: frozenset[str]
    idle_seconds: float
    lifetime_seconds: float
    poll_seconds: float
    answer_seconds: float
    stream_seconds: float
    denied: tuple[str, ...] = ()

    @property
    def account(self) -> str:
        """The account's twelve digits."""
        return self.arn.split(":")[4]


def runtime_from_graph(graph: Graph) -> RuntimeConfig:
    """The runtime that the graph declares, its times at the graph's time scale.

    Raises:
        ProgramError: when it does not declare exactly one, or AgentCore would refuse its authorizer.
    """
    runtime = graph.one(Kind.RUNTIME)
    endpoints = graph.all(Kind.RUNTIME_ENDPOINT)
    jwt = (runtime.inputs.get("authorizerConfiguration") or {}).get("customJwtAuthorizer")
    allowed = (runtime.inputs.get("requestHeaderConfiguration") or {}).get("requestHeaderAllowlists") or []
    lifecycle: Mapping[str, float] = next(iter(runtime.inputs.get("lifecycleConfigurations") or ()), {})
    return RuntimeConfig(
        id=runtime.id,
        arn=runtime.outputs["agentRuntimeArn"],
        authorizer=_authorizer(jwt) if jwt else None,
        forwarded=frozenset(name.lower() for name in allowed),
        qualifiers=frozenset({DEFAULT_QUALIFIER, *(endpoint.inputs["name"] for endpoint in endpoints)}),
        idle_seconds=lifecycle.get("idleRuntimeSessionTimeout", DEFAULT_IDLE_SECONDS) / graph.time_scale,
        lifetime_seconds=lifecycle.get("maxLifetime", DEFAULT_LIFETIME_SECONDS) / graph.time_scale,
        poll_seconds=POLL_SECONDS / graph.time_scale,
        answer_seconds=ANSWER_SECONDS / graph.time_scale,
        stream_seconds=STREAM_SECONDS / graph.time_scale,
        denied=denied_actions(graph, runtime.outputs["agentRuntimeArn"]),
    )


def _authorizer(inputs: Mapping[str, Any]) -> JwtAuthorizer:
    lists = {name: frozenset(inputs.get(f"allowed{name}") or ()) for name in ("Audiences", "Clients", "Scopes")}
    custom = tuple(_custom_claim(one) for one in inputs.get("customClaims") or ())
    if not custom and not any(lists.values()):
        raise ProgramError(
            "The runtime's JWT authorizer lists no audience, client, scope or claim, and AgentCore requires one: "
            "set allowed_audiences in infra/runtime.py."
        )
    return JwtAuthorizer(inputs["discoveryUrl"], lists["Audiences"], lists["Clients"], lists["Scopes"], custom)


def _custom_claim(inputs: Mapping[str, Any]) -> CustomClaim:
    match = inputs["authorizingClaimMatchValue"]
    value = match["claimMatchValue"]
    values = value.get("matchValueStringLists") or [value["matchValueString"]]
    return CustomClaim(inputs["inboundTokenClaimName"], match["claimMatchOperator"], frozenset(values))
