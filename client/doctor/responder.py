"""Who gave an answer: the one place where the doctor reads a status, its headers and its body.

A status alone says little: 403 comes from the web ACL, from a missing API key, from a path that does not exist and
from the runtime; 429 from a rate rule, a throttle, a quota and the runtime. A check names the responders whose answer
it can interpret, and `understood` keeps every other answer from being taken for the fault that the check looks for.
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

# AgentCore's own names for an error, which the gateway passes on
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

# The kinds of gateway response (https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html),
# which this stack's refusals carry, and the names of errors, which all do.
_BY_NAME: Mapping[str, Responder] = {
    "WAF_FILTERED": "firewall",
    "INVALID_API_KEY": "API key",
    "QUOTA_EXCEEDED": "quota",
    "UNAUTHORIZED": "authorizer",
    "LimitExceededException": "quota",
    "UnauthorizedException": "authorizer",
}

_MEANING: Mapping[Responder, str] = {
    "agent": "the request was let through to the agent",
    "runtime": "the runtime refuses; its log says why",
    "authorizer": "the API's authorizer refuses the token",
    "firewall": "the web ACL blocks the request; its log names the rule",
    "rate rule": "the web ACL's rate rule refuses for now: wait for as long as firewall.rateWindowSeconds says (five "
    "minutes unless set), and ask again",
    "throttle": "the throttle (api.invocationRate) refuses, for others are calling too: try again when they are done",
    "quota": "the team's quota is used up: try again tomorrow, or raise it under api.teams",
    "API key": "the API wants a team's API key: set AGENT_STREAM_API_KEY to a valid one",
    "API": "the API refuses the request itself",
    "integration": "the API gets no answer from what is behind it, or failed itself; its access log says which",
    "nobody": "nothing answers",
    "unidentified": "the answer has no x-amzn-requestid, so it does not come from API Gateway: look for a proxy on the "
    "way",
}


def responder_of(answer: Recording) -> Responder:
    """Who gave an answer that came through the API."""
    error = str(answer.headers.get("x-amzn-errortype", "")).partition(":")[0]
    if answer.status in (0, 200):
        return "agent" if answer.status else "nobody"
    if answer.by_runtime or error in _OF_RUNTIME:
        return "runtime"
    if throttled(answer):
        return "throttle"
    return _BY_NAME.get(_kind(answer.body)) or _BY_NAME.get(error) or _by_status(answer, error)


def _by_status(answer: Recording, error: str) -> Responder:
    # A web ACL's own answer bypasses the gateway's responses, and the names of their errors with them.
    blocked: Mapping[int, Responder] = {401: "firewall", 403: "firewall", 413: "firewall", 429: "rate rule"}
    if not error and answer.status in blocked:
        return blocked[answer.status]
    if not (error or answer.request_id):
        return "unidentified"
    return "integration" if answer.status >= 500 else "API"


def understood(answer: Recording, asked: str, *responders: Responder) -> Responder:
    """Who gave the answer, when it is somebody whose answer the check can interpret.

    Args:
        answer: what came back.
        asked: how the request was made, to begin a sentence with: ``With no token``.
        responders: those whose answer says something about what the check looks at.

    Raises:
        Fail: when the request was taken and nothing came back for as long as it was given.
        Inconclusive: when anybody else answered; it says who, and what to do.
    """
    if answer.status == 0 and answer.ending == "late":
        raise Fail(
            f"{asked}, the connection is taken and then there is {answer.message}: the agent, or what is before it, "
            "does not begin to answer.",
            "Look at the runtime's log (a local run's logs/agent.log): a process that hangs, an event loop that is "
            "blocked, a start that takes too long. Without a token it is the API itself that hangs.",
            why="The gateway waits as long as api.timeoutSeconds says, and every reader with it.",
        )
    responder = responder_of(answer)
    if responder not in responders:
        raise Inconclusive(f"{asked}: {answer.told().rstrip('.')}; {_MEANING[responder]}.")
    return responder


def _kind(body: bytes) -> str:
    """The kind of gateway response that a refusal names; empty when it names none."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return str(said.get("type", "")) if isinstance(said, dict) else ""
