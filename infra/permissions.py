"""What the agent's role may do, and who may assume it: policy documents, nothing declared.

Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-permissions.html. That page allows all
models and every repository; here each grant names what this stack uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pulumi

from infra.settings.runtime import ACCOUNT, RuntimeSettings

Statement = dict[str, object]


class Place(NamedTuple):
    """Where the stack is: what every ARN begins with. Read from ARNs that the program holds, never looked up."""

    partition: pulumi.Output[str]
    region: str
    account: pulumi.Output[str]

    def arn(self, service: str, *rest: pulumi.Input[str]) -> pulumi.Output[str]:
        """The ARN of something of this account and Region."""
        return pulumi.Output.concat(
            "arn:", self.partition, ":", service, ":", self.region, ":", self.account, ":", *rest
        )


def allow(sid: str, actions: list[str], resources: list[pulumi.Input[str]]) -> Statement:
    """One statement that allows some actions on some resources."""
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def document(statements: list[Statement]) -> dict[str, object]:
    """A policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": statements}


def trust(place: Place) -> dict[str, object]:
    """Only AgentCore, only for this account and Region, may assume the role."""
    return document(
        [
            {
                "Effect": "Allow",
                "Principal": {"Service": "bedrock-agentcore.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": place.account},
                    "ArnLike": {"aws:SourceArn": place.arn("bedrock-agentcore", "*")},
                },
            }
        ]
    )


def execution(place: Place, settings: RuntimeSettings, runtime_name: str, grants: list[Statement]) -> dict[str, object]:
    """The listed models, logs and traces of its own, and the grants of the parts that the stack gives the agent."""
    statements = [*grants, *_telemetry(place, settings, runtime_name)]
    models = [of_account(place, named) for named in settings.model_arns]
    if models:
        actions = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
        statements.insert(0, allow("Models", actions, [*models]))
    if settings.guardrail_id:
        guardrail = place.arn("bedrock", f"guardrail/{settings.guardrail_id}")
        statements.append(allow("Guardrail", ["bedrock:ApplyGuardrail"], [guardrail]))
    return document([*statements, *_secrets(place, settings), *_of_the_author(place, settings)])


def _secrets(place: Place, settings: RuntimeSettings) -> Iterator[Statement]:
    """Reading each named secret and parameter; neither of them lists any."""
    readers = {"secretsmanager": ["secretsmanager:GetSecretValue"], "ssm": ["ssm:GetParameter", "ssm:GetParameters"]}
    for service, actions in readers.items():
        arns = sorted({arn for arn in settings.secrets.values() if arn.split(":")[2] == service})
        if arns:
            yield allow(f"Secrets{service.capitalize()}", actions, [of_account(place, arn) for arn in arns])


def _of_the_author(place: Place, settings: RuntimeSettings) -> Iterator[Statement]:
    """The statements that the stack file adds for the agent's own tools."""
    for number, each in enumerate(settings.statements, 1):
        resources: list[pulumi.Input[str]] = [of_account(place, arn) for arn in each.resources]
        statement = allow(f"Author{number}", each.actions, resources)
        statement["Effect"] = each.effect
        if each.conditions:
            statement["Condition"] = each.conditions
        yield statement


def of_account(place: Place, named: str) -> pulumi.Output[str]:
    """An ARN of the settings, with the account's number where it says ACCOUNT."""
    before, found, after = named.partition(f":{ACCOUNT}:")
    return pulumi.Output.concat(before, ":", place.account, ":", after) if found else pulumi.Output.from_input(named)


def _telemetry(place: Place, settings: RuntimeSettings, runtime_name: str) -> list[Statement]:
    group = place.arn("logs", "log-group:/aws/bedrock-agentcore/runtimes/", runtime_name, "-*")
    metrics = allow("Metrics", ["cloudwatch:PutMetricData"], ["*"])
    metrics["Condition"] = {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}}
    traces = ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"]
    about_the_group = ["logs:CreateLogGroup", "logs:DescribeLogStreams"]
    if settings.telemetry:
        # Unified spans: AgentCore lets X-Ray write into the runtime's own group
        # (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/observability-configure.html).
        about_the_group.append("logs:PutResourcePolicy")
    return [
        allow("LogGroup", about_the_group, [group]),
        allow("FindLogGroup", ["logs:DescribeLogGroups"], [place.arn("logs", "log-group:*")]),
        allow(
            "LogLines", ["logs:CreateLogStream", "logs:PutLogEvents"], [pulumi.Output.concat(group, ":log-stream:*")]
        ),
        # X-Ray and CloudWatch metrics know no resources, so these two cannot name any.
        allow("Traces", traces, ["*"]),
        metrics,
    ]
