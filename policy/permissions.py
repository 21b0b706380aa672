"""Rules that limit each role to what it needs: code in the microVM can use all permissions of its role."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from contract import Kind
from policy.graph import AGENTCORE, POLICY, Declared, Stack, single_resource

_GROUP = r"arn:[a-z-]+:logs:[a-z0-9-]+:\d+:log-group:"
# A runtime's log group is named after its id, which is not known yet when the role is declared.
_RUNTIME_GROUPS = _GROUP + r"/aws/bedrock-agentcore/runtimes/\w+-\*"

WIDE: Mapping[str, re.Pattern[str]] = {
    action: re.compile(resource)
    for resource, actions in {
        # Actions without resource-level permissions
        # (https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html).
        r"\*": (
            "cloudwatch:PutMetricData",
            "ecr:GetAuthorizationToken",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:PutTelemetryRecords",
            "xray:PutTraceSegments",
        ),
        _GROUP + r"\*": ("logs:DescribeLogGroups",),
        _RUNTIME_GROUPS: ("logs:CreateLogGroup", "logs:DescribeLogStreams", "logs:PutResourcePolicy"),
        _RUNTIME_GROUPS + r":log-stream:\*": ("logs:CreateLogStream", "logs:PutLogEvents"),
    }.items()
    for action in actions
}
"""The actions that may be allowed on a resource with a wildcard, each with the allowed form."""

MANAGED = frozenset({"service-role/AmazonAPIGatewayPushToCloudWatchLogs"})
"""AWS's managed policies that a role may have; no others, because the rules cannot read what they allow."""


def statements(document: str | None) -> list[dict[str, Any]]:
    """The statements of a policy document; none without a document."""
    return as_list(json.loads(document).get("Statement", [])) if document else []


@single_resource
def document(resource: Declared, _stack: Stack) -> Iterator[str]:
    """A policy that is a resource, for a role or by itself."""
    yield from _excess(resource.get("policy"))


@single_resource
def inline_documents(role: Declared, _stack: Stack) -> Iterator[str]:
    """Policies that are declared within a role."""
    for inline in role.get("inlinePolicies") or ():
        yield from _excess(inline.get("policy"))


def others_objects(resource: Declared, stack: Stack) -> Iterator[str]:
    """Objects by a prefix of their keys may be allowed only in the stack's own buckets."""
    texts = [resource.get("policy"), *(each.get("policy") for each in resource.get("inlinePolicies") or ())]
    for statement in (each for text in texts for each in statements(text) if each.get("Effect") == "Allow"):
        for arn in as_list(statement.get("Resource", "*")):
            # Looked up only where needed: a bucket's ARN is unknown in a first preview.
            if _by_prefix(arn) and arn.partition("/")[0] not in [each.get("arn") for each in stack.all(Kind.BUCKET)]:
                actions = ", ".join(as_list(statement.get("Action", "*")))
                yield f"The role may use {actions} on {arn}, in a bucket of another stack. Name the resources."


def attachments(resource: Declared, stack: Stack) -> Iterator[str]:
    """Policies that are attached by their ARN: by a role, or by an attachment."""
    named = [resource.get("policyArn"), *(resource.get("policyArns") or ()), *(resource.get("managedPolicyArns") or ())]
    for arn in named:
        if arn and not _may_attach(arn, stack):
            yield (
                f"The policy {arn} is not declared in this stack, so no rule checks what it allows. Declare a "
                "RolePolicy with the actions and resources that are needed."
            )


def _may_attach(arn: str, stack: Stack) -> bool:
    """Whether a policy is one of `MANAGED`, or is declared in this stack and so checked as a resource."""
    before, _, name = arn.partition(":policy/")
    if before.endswith(":iam::aws"):
        return name in MANAGED
    return arn in [each.get("arn") for each in stack.all(POLICY)]


@single_resource
def trust(role: Declared, _stack: Stack) -> Iterator[str]:
    """Who may assume the role."""
    for statement in statements(role.get("assumeRolePolicy")):
        principal = statement.get("Principal")
        if statement.get("Effect") != "Allow":
            continue
        if not isinstance(principal, dict) or set(principal) != {"Service"}:
            yield f"{principal} may assume the role and use all its permissions. Name the AWS service that needs it."
        elif AGENTCORE in str(principal) and "aws:SourceAccount" not in str(statement.get("Condition")):
            yield (
                "AgentCore may assume the role on behalf of any account that names it. Declare a condition on "
                "aws:SourceAccount."
            )


def _excess(text: str | None) -> Iterator[str]:
    """Messages about what a policy document allows beyond named actions on named resources."""
    for statement in statements(text):
        if statement.get("Effect") != "Allow":
            continue
        # NotAction and NotResource allow all but a few, so they count as all.
        actions = as_list(statement.get("Action", "*"))
        wide = [action for action in actions if "*" in action or "?" in action]
        if wide:
            yield (
                f"The role may use {', '.join(wide)}, and so can code that a prompt injection controls. Name the "
                "actions."
            )
            continue
        for resource in as_list(statement.get("Resource", "*")):
            boundless = [action for action in actions if _is_boundless(action, resource)]
            if boundless:
                yield f"The role may use {', '.join(boundless)} on {resource}. Name the resources."


def _is_boundless(action: str, resource: str) -> bool:
    """Whether a resource has a wildcard that is neither listed in `WIDE` nor after a prefix of an object's key."""
    if "*" not in resource and "?" not in resource:
        return False
    if action in WIDE and WIDE[action].fullmatch(resource):
        return False
    return not _by_prefix(resource)


def _by_prefix(resource: str) -> bool:
    """Whether a resource is the objects of one bucket with a key prefix."""
    before, _, key = resource.partition("/")
    wild = "*" in key or "?" in key
    return ":s3:::" in before and not {"*", "?"} & set(before) and wild and key[:1] not in ("*", "?", "")


def as_list(value: Any) -> list[Any]:
    """A policy's member that may be one value or several."""
    return value if isinstance(value, list) else [value]
