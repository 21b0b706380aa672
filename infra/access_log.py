"""One JSON line for each request to the API, with the times that show which layer was slow.

A stream's answer begins long before it ends, so latency alone says little: `timeToAllHeaders` and
`timeToFirstContent` say when the first word left the agent, `integrationLatency` when the last one did
(https://docs.aws.amazon.com/apigateway/latest/developerguide/response-streaming-troubleshoot.html). Every phase before
the agent has its own status and milliseconds, so each refusal shows which layer refused.

API Gateway puts values in as they are, without escaping quotation marks
(https://github.com/DataBiosphere/azul/issues/4009). Values that a caller chooses, such as the user agent, are therefore
left out: they could break a line, or forge one.

API Gateway does not log 413, excessive 429, and requests to unmapped host names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra import arn

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
FIELDS: Mapping[str, str] = {
    "requestId": "$context.requestId",
    "extendedRequestId": "$context.extendedRequestId",
    "traceId": "$context.xrayTraceId",
    "time": "$context.requestTimeEpoch",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.resourcePath",
    "status": "$context.status",
    "sub": "$context.authorizer.claims.sub",
    "apiKeyId": "$context.identity.apiKeyId",
    "responseBytes": "$context.responseLength",
    "latency": "$context.responseLatency",
    "errorType": "$context.error.responseType",
    "wafStatus": "$context.waf.status",
    "wafLatency": "$context.waf.latency",
    "wafError": "$context.waf.error",
    "wafResponseCode": "$context.wafResponseCode",
    "authorizerStatus": "$context.authorizer.status",
    "authorizerLatency": "$context.authorizer.latency",
    "authorizerError": "$context.authorizer.error",
    "authenticateStatus": "$context.authenticate.status",
    "authenticateError": "$context.authenticate.error",
    "integrationStatus": "$context.integration.status",
    "integrationError": "$context.integration.error",
    "integrationRequestId": "$context.integration.requestId",
    "integrationLatency": "$context.integration.latency",
    "responseTransferMode": "$context.integration.responseTransferMode",
    "timeToAllHeaders": "$context.integration.timeToAllHeaders",
    "timeToFirstContent": "$context.integration.timeToFirstContent",
}

FORMAT_LIMIT = 3 * 1024
"""The most bytes of a format that API Gateway accepts."""


def log_format() -> str:
    """The stage's format: one line of JSON, every value a string (a missing one is ``-``)."""
    return json.dumps(FIELDS, separators=(",", ":"))


def log_group(name: str, retention_days: int, opts: pulumi.ResourceOptions) -> aws.cloudwatch.LogGroup:
    """The group that the stage writes to."""
    return aws.cloudwatch.LogGroup(
        f"{name}-access-log",
        name=f"/agent-stream/{name}/access",
        retention_in_days=retention_days,
        opts=opts,
    )


def account_role(name: str, opts: pulumi.ResourceOptions) -> aws.apigateway.Account:
    """The role with which API Gateway writes logs: one for the whole account in this Region.

    Both are retained when the stack is destroyed: deleting the setting would end the logs of every other REST API there
    (https://github.com/awslabs/nx-plugin-for-aws/pull/859).
    """
    kept = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=True))
    role = aws.iam.Role(
        f"{name}-gateway-logs",
        description="Lets API Gateway write the logs of every REST API in this Region.",
        assume_role_policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "apigateway.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            }
        ),
        opts=kept,
    )
    attached = aws.iam.RolePolicyAttachment(
        f"{name}-gateway-logs",
        role=role.name,
        policy_arn=pulumi.Output.concat(
            "arn:", arn.partition(role.arn), ":iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
        ),
        opts=kept,
    )
    return aws.apigateway.Account(
        f"{name}-gateway-account",
        cloudwatch_role_arn=role.arn,
        opts=pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(depends_on=[attached])),
    )
