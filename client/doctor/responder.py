"""Identifies the layer that sent a response, from its status, headers and body.

The status alone is ambiguous: 403 can come from the web ACL, a missing API key, an unknown path or the runtime; 429
from a rate rule, a throttle, a quota or the runtime. A check names the responders that it expects, and
`expect_responder` makes every other response inconclusive, so that it is not mistaken for the fault that the check
tests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from client.doctor.check import Fail, Inconclusive, throttled
from client.recording import Recording

Responder = Literal[
    "agent",
    "runtime",
    "authorizer",
    "firewall",
    "rate rule",
    "throttle",
    "quota",
    "API key",
    "API",
    "integration",
    "nobody",
    "unidentified",
]

# AgentCore's error types, which the gateway passes on
# (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-http-protocol-contract.html).
_OF_RUNTIME = frozenset(
    {
        "ValidationException",
        "ResourceNotFoundException",
        "ConflictException",
        "RetryableConflictException",
        "RuntimeClientError",
        "ServiceQuotaExceededException",
        "ThrottlingException",
        "InternalServerException",
    }
)

# Gateway response types (https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html),
# which this stack puts into the body, and error types, which API Gateway always sends.
_BY_NAME: Mapping[str, Responder] = {
    "WAF_FILTERED": "firewall",
    "INVALID_API_KEY": "API key",
    "QUOTA_EXCEEDED": "quota",
    "UNAUTHORIZED": "authorizer",
    "LimitExceededException": "quota",
    "UnauthorizedException": "authorizer",
}

_MEANING: Mapping[Responder, str] = {
    "agent": "the request reached the agent",
    "runtime": "the runtime refuses; its log says why",
    "authorizer": "the API's authorizer refuses the token",
    "firewall": "the web ACL blocks the request; its log names the rule",
    "rate rule": "the web ACL's rate rule refuses: wait for firewall.rateWindowSeconds (by default five minutes), and "
    "run the doctor again",
    "throttle": "the throttle (api.invocationRate) refuses, because other clients are calling too: try again later",
    "quota": "the team's quota is used up: try again tomorrow, or raise it under api.teams",
    "API key": "the API requires a team's API key: set AGENT_STREAM_API_KEY to a valid one",
    "API": "the API refuses the request itself",
    "integration": "the API's backend does not respond, or the API itself failed; its access log says which",
    "nobody": "there is no response",
    "unidentified": "the response has no x-amzn-requestid, so it does not come from API Gateway: look for a proxy",
}


def responder_of(answer: Recording) -> Responder:
    """Return the layer that sent a response to a request through the API."""
    error = str(answer.headers.get("x-amzn-errortype", "")).partition(":")[0]
    if answer.status in (0, 200):
        return "agent" if answer.status else "nobody"
    if answer.by_runtime or error in _OF_RUNTIME:
        return "runtime"
    if throttled(answer):
        return "throttle"
    return _BY_NAME.get(_kind(answer.body)) or _BY_NAME.get(error) or _by_status(answer, error)


def _by_status(answer: Recording, error: str) -> Responder:
    # A web ACL's own response has no error type, because the gateway does not create it.
    blocked: Mapping[int, Responder] = {401: "firewall", 403: "firewall", 413: "firewall", 429: "rate rule"}
    if not error and answer.status in blocked:
        return blocked[answer.status]
    if not (error or answer.request_id):
        return "unidentified"
    return "integration" if answer.status >= 500 else "API"


def expect_responder(answer: Recording, asked: str, *responders: Responder) -> Responder:
    """Return the layer that sent the response, if it is one that the check expects.

    Args:
        answer: the response.
        asked: the request, as the beginning of a sentence: ``With no token``.
        responders: the layers whose response the check can interpret.

    Raises:
        Fail: when the connection was accepted and no response came within the time limit.
        Inconclusive: when another layer responded; the text says which, and what to do.
    """
    if answer.status == 0 and answer.ending == "late":
        raise Fail(
            f"{asked}, the connection is accepted and then there is {answer.message}: the agent, or a layer in front "
            "of it, does not start to answer.",
            "Look at the runtime's log (in a local run logs/agent.log) for a hanging process, a blocked event loop or "
            "a slow start. Without a token, the API itself hangs.",
            why="The gateway waits for api.timeoutSeconds, and so does every client.",
        )
    responder = responder_of(answer)
    if responder not in responders:
        raise Inconclusive(f"{asked}: {answer.summary().rstrip('.')}; {_MEANING[responder]}.")
    return responder


def _kind(body: bytes) -> str:
    """Return the gateway response type in a refusal's body; empty when there is none."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return str(said.get("type", "")) if isinstance(said, dict) else ""
