"""The response to a browser's CORS preflight: OPTIONS, without a token, from the gateway itself.

The agent itself sets ``Access-Control-Allow-Origin`` on its streamed response: a proxy integration cannot
(https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-cors.html).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from contract import SESSION_HEADER

API_KEY_HEADER = "X-API-Key"


def preflight(
    name: str,
    resource: aws.apigateway.Resource,
    origin: str,
    *,
    more_headers: Sequence[str],
    with_key: bool,
    opts: pulumi.ResourceOptions,
) -> None:
    """Declare the OPTIONS method of a resource for the pages of one origin, which may send ``more_headers`` too.

    With an empty origin the method is declared too, without CORS headers. It is not left out, because the API's
    snapshot is taken before resources that are no longer declared are deleted, so the stage would keep the old method
    (https://github.com/pulumi/pulumi-aws/issues/3289).
    """
    allowed = ["Authorization", "Content-Type", SESSION_HEADER, *([API_KEY_HEADER] if with_key else [])]
    allowed += [header for header in more_headers if header.lower() not in {each.lower() for each in allowed}]
    headers = {
        "Access-Control-Allow-Origin": f"'{origin}'",
        "Access-Control-Allow-Headers": f"'{','.join(allowed)}'",
        "Access-Control-Allow-Methods": "'OPTIONS,POST'",
        "Access-Control-Max-Age": "'3600'",
    }
    options = aws.apigateway.Method(
        f"{name}-preflight",
        rest_api=resource.rest_api,
        resource_id=resource.id,
        http_method="OPTIONS",
        authorization="NONE",  # a browser sends no token with a preflight
        opts=opts,
    )
    integration = aws.apigateway.Integration(
        f"{name}-preflight-answer",
        rest_api=resource.rest_api,
        resource_id=resource.id,
        http_method=options.http_method,
        type="MOCK",
        request_templates={"application/json": json.dumps({"statusCode": 204})},
        opts=opts,
    )
    response = aws.apigateway.MethodResponse(
        f"{name}-preflight-response",
        rest_api=resource.rest_api,
        resource_id=resource.id,
        http_method=options.http_method,
        status_code="204",
        response_parameters={f"method.response.header.{header}": True for header in headers},
        opts=opts,
    )
    aws.apigateway.IntegrationResponse(
        f"{name}-preflight-headers",
        rest_api=resource.rest_api,
        resource_id=resource.id,
        http_method=options.http_method,
        status_code=response.status_code,
        response_parameters={f"method.response.header.{header}": value for header, value in headers.items()}
        if origin
        else None,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[integration])),
    )
