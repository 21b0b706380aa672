"""What the peer's resources say: names, expressions and answers, of the dev stack's kinds and about as long."""

from typing import NamedTuple

MODEL = "anthropic.claude-haiku-4-5-20251001-v1:0"
ORIGIN_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Origin-Verify"
SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
ASKED_HEADERS = (
    "Authorization",
    "Content-Type",
    SESSION_HEADER,
    "Cache-Control",
    "Last-Event-ID",
    "traceparent",
    "tracestate",
    "X-Amzn-Trace-Id",
    "X-Request-Id",
)
"""What a browser asks leave to send."""

ACCESS_LOG_FIELDS = {
    "requestId": "requestId",
    "extendedRequestId": "extendedRequestId",
    "traceId": "xrayTraceId",
    "time": "requestTimeEpoch",
    "ip": "identity.sourceIp",
    "method": "httpMethod",
    "path": "resourcePath",
    "status": "status",
    "sub": "authorizer.claims.sub",
    "apiKeyId": "identity.apiKeyId",
    "responseBytes": "responseLength",
    "latency": "responseLatency",
    "errorType": "error.responseType",
    "wafStatus": "waf.status",
    "wafLatency": "waf.latency",
    "wafError": "waf.error",
    "wafResponseCode": "wafResponseCode",
    "authorizerStatus": "authorizer.status",
    "authorizerLatency": "authorizer.latency",
    "authorizerError": "authorizer.error",
    "authenticateStatus": "authenticate.status",
    "authenticateError": "authenticate.error",
    "integrationStatus": "integration.status",
    "integrationError": "integration.error",
    "integrationRequestId": "integration.requestId",
    "integrationLatency": "integration.latency",
    "responseTransferMode": "integration.responseTransferMode",
    "timeToAllHeaders": "integration.timeToAllHeaders",
    "timeToFirstContent": "integration.timeToFirstContent",
}
"""A member of the log line, and the variable of `$context` that it holds."""

ENVIRONMENT = {
    "AGENT_HEARTBEAT_SECONDS": "10",
    "AGENT_HOST": "0.0.0.0",  # noqa: S104 - inside the container
    "AGENT_MAX_BODY_BYTES": "10485760",
    "AGENT_MAX_MESSAGES": "200",
    "AGENT_MAX_PROMPT_CHARS": "32000",
    "AGENT_MAX_TOKENS": "4096",
    "AGENT_MODEL": f"bedrock:us.{MODEL}",
    "AGENT_RUN_SECONDS": "870",
    "AGENT_SESSION_FROM": "user",
}
"""The agent's variables that name no other resource."""

RESPONSES: dict[str, tuple[str | None, str]] = {
    "ACCESS_DENIED": ("403", '"This token is not for this API."'),
    "BAD_REQUEST_BODY": ("400", '"The body is not a question; X-Validation-Error says why."'),
    "DEFAULT_4XX": (None, "$context.error.messageString"),
    "DEFAULT_5XX": (None, "$context.error.messageString"),
    "INTEGRATION_FAILURE": ("504", '"The agent is out of reach."'),
    "INTEGRATION_TIMEOUT": ("504", '"The agent was silent for too long."'),
    "INVALID_API_KEY": ("403", '"Send a valid API key: X-API-Key."'),
    "MISSING_AUTHENTICATION_TOKEN": ("403", '"Send a token, and to a path that exists: POST /invocations."'),
    "QUOTA_EXCEEDED": ("429", '"Today\'s requests of the team are spent."'),
    "THROTTLED": ("429", '"Too many requests; wait a moment."'),
    "UNAUTHORIZED": ("401", '"Send a valid ID token: Authorization: Bearer <ID token>."'),
    "UNSUPPORTED_MEDIA_TYPE": ("415", '"Send Content-Type: application/json."'),
    "WAF_FILTERED": ("403", '"The web ACL refused this request."'),
}
"""Each gateway response: its status, None for AWS's own, and its message as it stands in the template."""


class Filter(NamedTuple):
    """A metric of the access log: which lines count, and what of each; the milliseconds, or one."""

    pattern: str
    milliseconds: str | None = None


FILTERS = {
    "AgentFailed": Filter(
        "{ " + " || ".join(f'$.integrationStatus = "{status}"' for status in (401, 402, 403, 404, 424)) + " }"
    ),
    "BadRequest": Filter('{ $.status = "400" }'),
    "Buffered": Filter('{ $.responseTransferMode = "BUFFERED" }'),
    "Forbidden": Filter('{ $.status = "403" }'),
    "RuntimeThrottles": Filter('{ $.integrationStatus = "429" }'),
    "StreamDuration": Filter('{ $.responseTransferMode = "STREAMED" }', "$.integrationLatency"),
    "Throttled": Filter('{ $.status = "429" && $.integrationStatus = "-" }'),
    "TimeToFirstContent": Filter('{ $.timeToFirstContent != "-" }', "$.timeToFirstContent"),
    "Unauthorized": Filter('{ $.status = "401" }'),
}

DENIED = (
    "InvokeAgentRuntimeCommand",
    "InvokeAgentRuntimeCommandShell",
    "InvokeAgentRuntimeWithWebSocketStream",
    "InvokeAgentRuntimeWithWebSocketStreamForUser",
    "InvokeAgentRuntimeForUser",
)
"""What nobody may do with the runtime."""
