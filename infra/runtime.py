"""Where the agent runs: the AgentCore runtime, the role it runs under, and who may call it.

A *session* is one microVM; AgentCore routes every request with the same session id to it. The *qualifier* is the
name of a runtime endpoint; ``DEFAULT`` exists by itself and follows the latest version
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-how-it-works.html).
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from infra import arn
from infra.artifact import CodePackage
from infra.config import RuntimeSettings
from infra.identity import Identity

QUALIFIER = "DEFAULT"

ORIGIN_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Origin-Verify"
SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"


class Runtime(pulumi.ComponentResource):
    """An AgentCore runtime that takes the user pool's ID tokens and streams over HTTP.

    Pulumi type: ``agentstream:infra:Runtime``. Produces ``iam.Role``, ``iam.RolePolicy``,
    ``bedrock.AgentcoreAgentRuntime`` and, unless the bypass protection is off, ``random.RandomPassword``. Leaves the
    package to `CodePackage` and the front door to `StreamingApi`.
    """

    arn: pulumi.Output[str]
    id: pulumi.Output[str]
    account_id: pulumi.Output[str]
    origin_secret: pulumi.Output[str] | None
    """What the API must send in `ORIGIN_HEADER`; None when the stack does not ask for it."""
    url: pulumi.Output[str]
    """The `/invocations` address without its query: nothing else streams."""

    def __init__(
        self,
        name: str,
        settings: RuntimeSettings,
        *,
        identity: Identity,
        package: CodePackage,
        region: str,
        environment: Mapping[str, str],
        tags: dict[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("agentstream:infra:Runtime", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # AgentCore allows letters, digits and underscores, and 48 characters at most.
        runtime_name = name.replace("-", "_")
        account = arn.account_id(identity.user_pool_arn)
        partition = arn.partition(identity.user_pool_arn)

        role = aws.iam.Role(
            f"{name}-agent",
            description="What the agent may do in AWS.",
            assume_role_policy=pulumi.Output.json_dumps(_trust(partition, region, account)),
            tags=tags,
            opts=child,
        )
        permissions = aws.iam.RolePolicy(
            f"{name}-agent-permissions",
            role=role.id,
            policy=pulumi.Output.json_dumps(
                _permissions(partition, region, account, runtime_name, package.object_arn, settings.model_arns)
            ),
            opts=child,
        )

        variables: dict[str, pulumi.Input[str]] = {
            **environment,
            "AGENT_HOST": "0.0.0.0",  # noqa: S104 - inside the microVM; AgentCore requires 0.0.0.0:8080
            "AGENT_MODEL": settings.model,
        }
        forwarded = ["Authorization"]
        self.origin_secret = None
        if settings.bypass_protection == "origin-secret":
            password = random.RandomPassword(f"{name}-origin", length=48, special=False, opts=child)
            self.origin_secret = pulumi.Output.secret(password.result)
            variables["AGENT_ORIGIN_SECRET"] = self.origin_secret
            forwarded.append(ORIGIN_HEADER)

        runtime = aws.bedrock.AgentcoreAgentRuntime(
            f"{name}-runtime",
            agent_runtime_name=runtime_name,
            role_arn=role.arn,
            agent_runtime_artifact={
                "code_configuration": {
                    "code": {"s3": {"bucket": package.bucket, "prefix": package.key}},
                    "runtime": "PYTHON_3_13",
                    "entry_points": ["main.py"],
                }
            },
            network_configuration={"network_mode": "PUBLIC"},
            protocol_configuration={"server_protocol": "HTTP"},
            # An ID token has `aud` and no `client_id`. Everything configured here must match, so listing
            # allowed_clients as well would refuse every ID token
            # (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-oauth.html).
            authorizer_configuration={
                "custom_jwt_authorizer": {
                    "discovery_url": identity.discovery_url,
                    "allowed_audiences": [identity.client_id],
                }
            },
            # AgentCore validates the token and strips it, unless it is listed here; the agent needs its `sub`.
            request_header_configuration={"request_header_allowlists": forwarded},
            lifecycle_configurations=[
                {
                    "idle_runtime_session_timeout": settings.idle_session_seconds,
                    "max_lifetime": settings.session_seconds,
                }
            ],
            environment_variables=variables,
            tags=tags,
            # The role's permissions must exist before AgentCore first assumes it.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permissions]),
        )

        self.arn = runtime.agent_runtime_arn
        self.id = runtime.agent_runtime_id
        self.account_id = arn.account_id(runtime.agent_runtime_arn)
        # By id and account, never by ARN: API Gateway decodes and re-encodes an escaped ARN on its way.
        self.url = pulumi.Output.concat(
            "https://bedrock-agentcore.", region, ".amazonaws.com/runtimes/", self.id, "/invocations"
        )
        self.register_outputs({"arn": self.arn, "id": self.id, "url": self.url})


def _trust(partition: pulumi.Output[str], region: str, account: pulumi.Output[str]) -> dict[str, object]:
    """Only AgentCore, only for this account and Region, may assume the role.

    Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-permissions.html
    """
    source = pulumi.Output.concat("arn:", partition, ":bedrock-agentcore:", region, ":", account, ":*")
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "bedrock-agentcore.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": account},
                    "ArnLike": {"aws:SourceArn": source},
                },
            }
        ],
    }


def _permissions(
    partition: pulumi.Output[str],
    region: str,
    account: pulumi.Output[str],
    runtime_name: str,
    package_arn: pulumi.Output[str],
    model_arns: list[str],
) -> dict[str, object]:
    """Logs, traces and metrics of its own, the listed models, its own package.

    Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-permissions.html
    """
    logs = pulumi.Output.concat("arn:", partition, ":logs:", region, ":", account, ":log-group:")
    group = pulumi.Output.concat(logs, "/aws/bedrock-agentcore/runtimes/", runtime_name, "-*")

    def allow(sid: str, actions: list[str], resources: list[pulumi.Input[str]]) -> dict[str, object]:
        return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}

    metrics = allow("Metrics", ["cloudwatch:PutMetricData"], ["*"])
    metrics["Condition"] = {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}}
    traces = [
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
    ]
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow("Models", ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"], [*model_arns]),
            allow("Package", ["s3:GetObject"], [package_arn]),
            allow(
                "LogGroup",
                ["logs:CreateLogGroup", "logs:DescribeLogStreams", "logs:PutResourcePolicy"],
                [group],
            ),
            allow("FindLogGroup", ["logs:DescribeLogGroups"], [pulumi.Output.concat(logs, "*")]),
            allow(
                "LogLines",
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                [pulumi.Output.concat(group, ":log-stream:*")],
            ),
            # X-Ray and CloudWatch metrics know no resources, so these two cannot name any.
            allow("Traces", traces, ["*"]),
            metrics,
        ],
    }
