"""The guard rails. Each reads the whole stack and says what is wrong, what breaks for the user, and how to mend it.

They know nothing of settings: whoever edits the program, by whatever way, the declared resources must still stream,
and still be protected. `policy.streaming`, `policy.identity` and `policy.protection` hold the rules by what they guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from policy import identity, protection, streaming
from policy.graph import Declared, Stack

Finding = tuple[Declared, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One guard rail: its name, the invariant it keeps, and the check that yields what breaks it."""

    name: str
    description: str
    check: Callable[[Stack], Iterator[Finding]]


RULES: Sequence[Rule] = (
    Rule("stream-to-agentcore", "Every integration that faces AgentCore streams.", streaming.transfer_mode),
    Rule("timeout-is-raised", "A streaming integration is given more than the default 29 s.", streaming.timeout),
    Rule("invocations-address", "Requests go to /invocations of the runtime's endpoint.", streaming.address),
    Rule("nothing-holds-the-stream", "Nothing is declared that STREAM forbids.", streaming.nothing_buffers),
    Rule(
        "endpoint-follows-the-runtime", "A named endpoint is given the runtime's version.", streaming.endpoint_version
    ),
    Rule("id-token-required", "Every method but OPTIONS takes an ID token of the user pool.", identity.methods),
    Rule("app-client-pinned", "The gateway takes tokens of one app client only.", identity.client_pinned),
    Rule("runtime-agrees", "The runtime checks the same pool and client as the gateway.", identity.runtime_agrees),
    Rule("token-reaches-agent", "The agent is told who is asking.", identity.token_forwarded),
    Rule("public-client", "The app client has no secret, and no flow that sends a password.", identity.public_client),
    Rule("web-acl-on-stage", "A web ACL stands in front of every stage.", protection.web_acl),
    Rule("bodies-are-inspected", "No body reaches the agent past WAF's sight.", protection.body_size),
    Rule("logs-on", "Every stage and every web ACL writes a log.", protection.logs),
    Rule("no-secret-in-logs", "No log shows a token or the origin secret.", protection.secrets_in_logs),
    Rule("throttled", "Every stage bounds the pace of all its methods.", protection.throttle),
    Rule("least-privilege", "No role may do or touch everything, but for a listed few.", protection.privileges),
    Rule("no-way-round", "In production a token alone does not open the runtime.", protection.bypass),
)
