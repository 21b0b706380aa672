"""The policy documents of the agent's role: what it may do, and who may assume it. Declares no resource.

Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-permissions.html. That page allows all
models and every repository; here each grant names what this stack uses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pulumi

from infra.settings.runtime import ACCOUNT, RuntimeSettings

Statement = dict[str, object]


class Place(NamedTuple):
    """Partition, Region and account of the stack, taken from ARNs that the program has, never looked up."""

    partition: pulumi.Output[str]
    region: str
    account: pulumi.Output[str]

    def arn(self, service: str, *rest: pulumi.Input[str]) -> pulumi.Output[str]:
        """The ARN of a resource in this account and Region."""
        return pulumi.Output.concat(
            "arn:", self.partition, ":", service, ":", self.region, ":", self.account, ":", *rest
        )


class Grant(NamedTuple):
    """The permissions for one purpose, as an inline policy of its own.

    Attributes:
        kind: the purpose, in one word.
        key: the values of the settings that it depends on; unlike ARNs they are known when it is declared.
        statements: its permissions.
    """

    kind: str
    key: Sequence[str]
    statements: Sequence[Statement]

    @property
    def name(self) -> str:
        """The kind and a digest of the key: with another key it is another policy, which replaces the old one.

        A policy that is changed in place would lose what the running version of the agent, and its sessions until they
        end, still use.
        """
        return f"{self.kind}-{hashlib.sha256(json.dumps(list(self.key)).encode()).hexdigest()[:8]}"


def allow(sid: str, actions: list[str], resources: list[pulumi.Input[str]]) -> Statement:
    """One statement that allows some actions on some resources."""
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def document(statements: Sequence[Statement]) -> dict[str, object]:
    """A policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


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


def execution(place: Place, settings: RuntimeSettings, runtime_name: str, parts: Sequence[Grant]) -> list[Grant]:
    """The grants for the listed models, its own logs and traces, and for the parts that the stack gives the agent."""
    named = list(dict.fromkeys([*settings.model_arns, *settings.also_model_arns]))
    guardrail = place.arn("bedrock", "guardrail/", settings.guardrail_id)
    author = [each.model_dump_json(by_alias=True) for each in settings.statements]
    found = [
        Grant("models", named, _models(place, named)),
        *parts,
        Grant("telemetry", [runtime_name, str(settings.telemetry)], _telemetry(place, settings, runtime_name)),
        Grant("guardrail", [settings.guardrail_id], [allow("Guardrail", ["bedrock:ApplyGuardrail"], [guardrail])])
        if settings.guardrail_id
        else Grant("guardrail", [], []),
        Grant("secrets", sorted(settings.secrets.values()), list(_secrets(place, settings))),
        Grant("author", author, list(_author_statements(place, settings))),
    ]
    return [grant for grant in found if grant.statements]


def _models(place: Place, named: Sequence[str]) -> list[Statement]:
    actions = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    return [allow("Models", actions, [of_account(place, arn) for arn in named])] if named else []


def _secrets(place: Place, settings: RuntimeSettings) -> Iterator[Statement]:
    """Permission to read each named secret and parameter, not to list them."""
    readers = {"secretsmanager": ["secretsmanager:GetSecretValue"], "ssm": ["ssm:GetParameter", "ssm:GetParameters"]}
    for service, actions in readers.items():
        arns = sorted({arn for arn in settings.secrets.values() if arn.split(":")[2] == service})
        if arns:
            yield allow(f"Secrets{service.capitalize()}", actions, [of_account(place, arn) for arn in arns])


def _author_statements(place: Place, settings: RuntimeSettings) -> Iterator[Statement]:
    """The statements that the stack file adds for the agent's own tools."""
    for number, each in enumerate(settings.statements, 1):
        resources: list[pulumi.Input[str]] = [of_account(place, arn) for arn in each.resources]
        statement = allow(f"Author{number}", each.actions, resources)
        statement["Effect"] = each.effect
        if each.conditions:
            statement["Condition"] = each.conditions
        yield statement


def of_account(place: Place, named: str) -> pulumi.Output[str]:
    """An ARN of the settings, with ACCOUNT replaced by the account's number."""
    before, found, after = named.partition(f":{ACCOUNT}:")
    return pulumi.Output.concat(before, ":", place.account, ":", after) if found else pulumi.Output.from_input(named)


def _telemetry(place: Place, settings: RuntimeSettings, runtime_name: str) -> list[Statement]:
    group = place.arn("logs", "log-group:/aws/bedrock-agentcore/runtimes/", runtime_name, "-*")
    metrics = allow("Metrics", ["cloudwatch:PutMetricData"], ["*"])
    metrics["Condition"] = {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}}
    traces = ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"]
    group_actions = ["logs:CreateLogGroup", "logs:DescribeLogStreams"]
    if settings.telemetry:
        # Unified spans: AgentCore lets X-Ray write into the runtime's own group
        # (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/observability-configure.html).
        group_actions.append("logs:PutResourcePolicy")
    return [
        allow("LogGroup", group_actions, [group]),
        allow("FindLogGroup", ["logs:DescribeLogGroups"], [place.arn("logs", "log-group:*")]),
        allow(
            "LogLines", ["logs:CreateLogStream", "logs:PutLogEvents"], [pulumi.Output.concat(group, ":log-stream:*")]
        ),
        # X-Ray and CloudWatch metrics have no resource-level permissions, so these two cannot name a resource.
        allow("Traces", traces, ["*"]),
        metrics,
    ]
