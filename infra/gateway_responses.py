"""The gateway's own error responses: the problem, and the request id to report.

A page in a browser can read an error response only with the CORS header, so each kind has it. 413 cannot be customised
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html).

Templates insert variables without escaping them for JSON, and AWS does not say whether the validator's text is safe
there. So the problem of a body is reported in a header, which cannot break the response's JSON.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

VALIDATION_HEADER = "X-Validation-Error"
"""Carries the request validator's message about a body that it refused."""


class Refusal(NamedTuple):
    """One kind of gateway response.

    Attributes:
        kind: API Gateway's name for it.
        status: the status code, or None to keep the one that the gateway chose.
        message: a sentence for the caller; None for the gateway's own message, which names the reason.
    """

    kind: str
    status: str | None
    message: str | None


# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
REFUSALS = (
    Refusal("UNAUTHORIZED", "401", "A valid ID token is needed: Authorization: Bearer <ID token>."),
    Refusal("ACCESS_DENIED", "403", "This token may not call this API."),
    Refusal("INVALID_API_KEY", "403", "A valid API key is needed: X-API-Key."),
    # A path that does not exist gets this too, so the message names both.
    Refusal(
        "MISSING_AUTHENTICATION_TOKEN", "403", "There is no such path, or the token is missing: POST /invocations."
    ),
    Refusal(
        "BAD_REQUEST_BODY",
        "400",
        'The body must be a RunAgentInput, {"prompt": "..."}, or {"threadId": "..."} with attach, stop or history; the '
        f"header {VALIDATION_HEADER} says what is wrong with this one.",
    ),
    Refusal("UNSUPPORTED_MEDIA_TYPE", "415", "The body must be sent as Content-Type: application/json."),
    Refusal("THROTTLED", "429", "Too many requests at once: try again in a moment."),
    Refusal("WAF_FILTERED", "403", "The firewall refused this request."),
    Refusal("QUOTA_EXCEEDED", "429", "The team's requests for today are used up."),
    Refusal("INTEGRATION_FAILURE", "504", "The agent could not be reached."),
    Refusal("INTEGRATION_TIMEOUT", "504", "The agent did not begin to answer in time."),
    Refusal("DEFAULT_4XX", None, None),
    Refusal("DEFAULT_5XX", None, None),
)


def gateway_responses(name: str, api_id: pulumi.Output[str], origin: str, opts: pulumi.ResourceOptions) -> None:
    """Declare every response; ``origin`` is the page that may read them, empty for none."""
    headers = {"gatewayresponse.header.Cache-Control": "'no-store'"}
    if origin:
        headers["gatewayresponse.header.Access-Control-Allow-Origin"] = f"'{origin}'"
    for refusal in REFUSALS:
        of_this_kind = {}
        if refusal.kind == "BAD_REQUEST_BODY":
            of_this_kind[f"gatewayresponse.header.{VALIDATION_HEADER}"] = "context.error.validationErrorString"
            if origin:
                of_this_kind["gatewayresponse.header.Access-Control-Expose-Headers"] = f"'{VALIDATION_HEADER}'"
        # `messageString` includes its quotation marks; every other variable is inserted as it is.
        message = json.dumps(refusal.message) if refusal.message else "$context.error.messageString"
        aws.apigateway.Response(
            f"{name}-{refusal.kind.lower().replace('_', '-')}",
            rest_api_id=api_id,
            response_type=refusal.kind,
            status_code=refusal.status,
            response_parameters={**headers, **of_this_kind},
            response_templates={
                "application/json": f'{{"message":{message},"type":"$context.error.responseType",'
                '"requestId":"$context.requestId"}'
            },
            opts=opts,
        )
