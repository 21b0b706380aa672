"""Rules that keep each role to what it needs: what runs in the microVM can use all of its role."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from contract import Kind
from policy.graph import AGENTCORE, POLICY, Declared, Stack, by_itself

_GROUP = r"arn:[a-z-]+:logs:[a-z0-9-]+:\d+:log-group:"
# AgentCore names a runtime's log group after its id, which the role has to do without: it is there first.
_RUNTIME_GROUPS = _GROUP + r"/aws/bedrock-agentcore/runtimes/\w+-\*"

WIDE: Mapping[str, re.Pattern[str]] = {
    action: re.compile(resource)
    for resource, actions in {
        # Actions for which IAM knows no resources
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
"""The actions that may be allowed on a resource with a wildcard, each with the form that it may have."""

MANAGED = frozenset({"service-role/AmazonAPIGatewayPushToCloudWatchLogs"})
"""AWS's own policies that a role may have: nothing here can read what such a policy allows, now or next year."""


def statements(document: str | None) -> list[dict[str, Any]]:
    """The statements of a policy document; none where there is no document."""
    return as_list(json.loads(document).get("Statement", [])) if document else []


@by_itself
def document(resource: Declared, _stack: Stack) -> Iterator[str]:
    """A policy that is declared by itself or with a role."""
    yield from _excess(resource.get("policy"))


@by_itself
def inline_documents(role: Declared, _stack: Stack) -> Iterator[str]:
    """Policies that are declared within a role."""
    for inline in role.get("inlinePolicies") or ():
        yield from _excess(inline.get("policy"))


def others_objects(resource: Declared, stack: Stack) -> Iterator[str]:
    """Objects by the beginning of their keys may be allowed in the stack's own buckets only."""
    texts = [resource.get("policy"), *(each.get("policy") for each in resource.get("inlinePolicies") or ())]
    for statement in (each for text in texts for each in statements(text) if each.get("Effect") == "Allow"):
        for arn in as_list(statement.get("Resource", "*")):
            # Looked up only where needed: a bucket's ARN is unknown in a first preview.
            if _by_prefix(arn) and arn.partition("/")[0] not in [each.get("arn") for each in stack.all(Kind.BUCKET)]:
                actions = ", ".join(as_list(statement.get("Action", "*")))
                yield f"The role may use {actions} on {arn}, in a bucket of another stack. Name the resources."


def attachments(resource: Declared, stack: Stack) -> Iterator[str]:
    """Policies that are named by their ARN: on a role, or by a resource that attaches them."""
    named = [resource.get("policyArn"), *(resource.get("policyArns") or ()), *(resource.get("managedPolicyArns") or ())]
    for arn in named:
        if arn and not _may_attach(arn, stack):
            yield (
                f"The policy {arn} is written elsewhere, so nothing here bounds what it allows. Declare a RolePolicy "
                "with the actions and resources that are needed."
            )


def _may_attach(arn: str, stack: Stack) -> bool:
    """Whether a policy is a listed one of AWS, or is declared in this stack and so judged by itself."""
    before, _, name = arn.partition(":policy/")
    if before.endswith(":iam::aws"):
        return name in MANAGED
    return arn in [each.get("arn") for each in stack.all(POLICY)]


@by_itself
def trust(role: Declared, _stack: Stack) -> Iterator[str]:
    """Who may become the role."""
    for statement in statements(role.get("assumeRolePolicy")):
        principal = statement.get("Principal")
        if statement.get("Effect") != "Allow":
            continue
        if not isinstance(principal, dict) or set(principal) != {"Service"}:
            yield f"{principal} may assume the role, and do all that it may. Name the AWS service that needs it."
        elif AGENTCORE in str(principal) and "aws:SourceAccount" not in str(statement.get("Condition")):
            yield (
                "AgentCore may assume the role on behalf of any account that names it. Declare a condition on "
                "aws:SourceAccount."
            )


def _excess(text: str | None) -> Iterator[str]:
    """What a policy document allows beyond named actions on named resources."""
    for statement in statements(text):
        if statement.get("Effect") != "Allow":
            continue
        # NotAction and NotResource allow all but a few, which is as good as all.
        actions = as_list(statement.get("Action", "*"))
        wide = [action for action in actions if "*" in action or "?" in action]
        if wide:
            yield (
                f"The role may do {', '.join(wide)}: code that a prompt talks into misbehaving can too. Name the "
                "actions."
            )
            continue
        for resource in as_list(statement.get("Resource", "*")):
            boundless = [action for action in actions if _is_boundless(action, resource)]
            if boundless:
                yield f"The role may use {', '.join(boundless)} on {resource}. Name the resources."


def _is_boundless(action: str, resource: str) -> bool:
    """Whether a resource holds a wildcard that is neither listed nor behind the first letters of an object's key."""
    if "*" not in resource and "?" not in resource:
        return False
    if action in WIDE and WIDE[action].fullmatch(resource):
        return False
    return not _by_prefix(resource)


def _by_prefix(resource: str) -> bool:
    """Whether a resource is the objects of one bucket whose keys begin in a certain way."""
    before, _, key = resource.partition("/")
    wild = "*" in key or "?" in key
    return ":s3:::" in before and not {"*", "?"} & set(before) and wild and key[:1] not in ("*", "?", "")


def as_list(value: Any) -> list[Any]:
    """A policy's member that may be one value or several."""
    return value if isinstance(value, list) else [value]
