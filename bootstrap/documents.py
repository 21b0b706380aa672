"""Makes a stack's policy documents from the map of permissions: merged, and split to the sizes that AWS allows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bootstrap.permissions import NEEDED, Grant

MANAGED_POLICY_CHARACTERS = 6144
"""AWS's limit for one managed policy, without white space; a role can have ten of them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

PARTS: Mapping[str, frozenset[str]] = {
    "domain": frozenset(
        {
            "aws:acm/certificate:Certificate",
            "aws:acm/certificateValidation:CertificateValidation",
            "aws:apigateway/basePathMapping:BasePathMapping",
            "aws:apigateway/domainName:DomainName",
            "aws:route53/record:Record",
        }
    ),
    "container": frozenset({"awsx:ecr:Image", "awsx:ecr:Repository"}),
    "key": frozenset({"aws:kms/alias:Alias", "aws:kms/key:Key"}),
    "private": frozenset(
        {
            "aws:apigatewayv2/vpcLink:VpcLink",
            "aws:ec2/securityGroup:SecurityGroup",
            "aws:ec2/vpcEndpoint:VpcEndpoint",
            "aws:lb/listener:Listener",
            "aws:lb/loadBalancer:LoadBalancer",
            "aws:lb/targetGroup:TargetGroup",
            "aws:lb/targetGroupAttachment:TargetGroupAttachment",
            "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            "awsx:ec2:Vpc",
        }
    ),
    "teams": frozenset(
        {
            "aws:apigateway/apiKey:ApiKey",
            "aws:apigateway/usagePlan:UsagePlan",
            "aws:apigateway/usagePlanKey:UsagePlanKey",
        }
    ),
    "website": frozenset(
        {
            "aws:acm/certificate:Certificate",
            "aws:acm/certificateValidation:CertificateValidation",
            "aws:cloudfront/distribution:Distribution",
            "aws:cloudfront/originAccessControl:OriginAccessControl",
            "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
            "aws:route53/record:Record",
        }
    ),
    "accountLogRole": frozenset(
        {"aws:apigateway/account:Account", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"},
    ),
}
"""The resource types of each optional part of a stack; a role gets their permissions only with that part."""

READS = ("Get", "Describe", "List")

CONTENT = frozenset({"GetObject", "GetObjectVersion", "GetDownloadUrlForLayer"})
"""Reads of what was deployed, packages and images, which no preview needs."""

NEEDS_BOUNDARY = frozenset({"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"})
"""Actions that could give a role more than the deploying role has, if no boundary were required."""

AGENT_AT_MOST: Sequence[Grant] = (
    Grant(("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", "bedrock:ApplyGuardrail"), ("*",)),
    Grant(
        (
            "bedrock-agentcore:CreateEvent",
            "bedrock-agentcore:DeleteEvent",
            "bedrock-agentcore:GetEvent",
            "bedrock-agentcore:ListEvents",
            "bedrock-agentcore:ListSessions",
            "bedrock-agentcore:ListActors",
        ),
        ("arn:aws:bedrock-agentcore:REGION:ACCOUNT:memory/PROJECT_*",),
    ),
    Grant(("s3:GetObject", "s3:GetObjectVersion"), ("arn:aws:s3:::PROJECT-*",)),
    Grant(("logs:*",), ("arn:aws:logs:REGION:ACCOUNT:log-group:*",)),
    Grant(
        (
            "cloudwatch:PutMetricData",
            "ecr:GetAuthorizationToken",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:PutTelemetryRecords",
            "xray:PutTraceSegments",
        ),
        ("*",),
    ),
    Grant(
        ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"),
        ("arn:aws:ecr:REGION:ACCOUNT:repository/*",),
    ),
    Grant(
        ("secretsmanager:GetSecretValue", "ssm:GetParameter", "ssm:GetParameters", "kms:Decrypt"),
        (
            "arn:aws:secretsmanager:REGION:ACCOUNT:secret:*",
            "arn:aws:ssm:REGION:ACCOUNT:parameter/*",
            "arn:aws:kms:REGION:ACCOUNT:key/*",
        ),
    ),
)
"""The permissions boundary of a stack's own roles: the most that they may do, whatever their policies allow."""


def needed(parts: Iterable[str]) -> list[Grant]:
    """The grants for the resources of every stack, and for those of the named parts."""
    optional = frozenset().union(*PARTS.values())
    wanted = frozenset().union(*(PARTS[part] for part in parts))
    return [grant for type_, grants in NEEDED.items() if type_ not in optional or type_ in wanted for grant in grants]


def reading() -> list[Grant]:
    """The grants for `preview --refresh` of any stack: the reading actions of every grant."""
    found = []
    for grants in NEEDED.values():
        for grant in grants:
            actions = tuple(action for action in grant.actions if is_reading(action))
            if actions:
                found.append(Grant(actions, grant.resources, grant.conditions))
    return found


def is_reading(action: str) -> bool:
    """Whether an action only reads; API Gateway's actions are HTTP methods."""
    verb = action.partition(":")[2]
    return verb == "GET" or (verb.startswith(READS) and verb not in CONTENT)


def statements(grants: Iterable[Grant], names: Mapping[str, str], boundary: str = "") -> list[dict[str, Any]]:
    """Policy statements, one for each set of resources and conditions.

    Args:
        grants: what to allow.
        names: values for the placeholders STACK_, STACK, REGION, ACCOUNT and ZONE, replaced in this order.
        boundary: the ARN of the permissions boundary that every created role must have.
    """
    merged: dict[str, tuple[set[str], Grant]] = {}
    for grant in _bounded(grants, boundary):
        key = json.dumps([grant.resources, grant.conditions], sort_keys=True)
        merged.setdefault(key, (set(), grant))[0].update(grant.actions)
    made = []
    for actions, grant in merged.values():
        resources = sorted(_named(resource, names) for resource in grant.resources)
        statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": resources}
        made.append({**statement, "Condition": grant.conditions} if grant.conditions else statement)
    return made


def _bounded(grants: Iterable[Grant], boundary: str) -> Iterable[Grant]:
    """The grants, with those that create roles or give them permissions restricted to roles with the boundary."""
    for grant in grants:
        risky = tuple(action for action in grant.actions if action in NEEDS_BOUNDARY)
        if not boundary or not risky:
            yield grant
            continue
        condition = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
        yield Grant(risky, grant.resources, {**grant.conditions, **condition})
        if rest := tuple(action for action in grant.actions if action not in NEEDS_BOUNDARY):
            yield Grant(rest, grant.resources, grant.conditions)


def _named(resource: str, names: Mapping[str, str]) -> str:
    for placeholder, value in names.items():
        resource = resource.replace(placeholder, value)
    return resource


def documents(made: Sequence[Mapping[str, Any]]) -> list[str]:
    """Policy documents of these statements, each within AWS's limit."""
    found: list[list[Mapping[str, Any]]] = [[]]
    for statement in sorted(made, key=lambda each: len(json.dumps(each)), reverse=True):
        room = next((held for held in found if len(_text([*held, statement])) <= MANAGED_POLICY_CHARACTERS), None)
        if room is None:
            found.append([statement])
        else:
            room.append(statement)
    return [_text(held) for held in found]


def _text(held: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": held}, separators=(",", ":"))
