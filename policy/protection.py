"""Rules that keep the front door the only door, watched and paced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policy.graph import (
    ASSOCIATION,
    INTEGRATION,
    METHOD_SETTINGS,
    RESOURCE_POLICY,
    ROLE,
    ROLE_POLICY,
    RUNTIME,
    STAGE,
    UNKNOWN,
    WEB_ACL,
    WEB_ACL_LOGGING,
    Declared,
    Stack,
    as_list,
    policy_statements,
)

FASTEST = 1_000
"""Requests per second above which a throttle protects nobody: AgentCore takes 200 for a whole account."""

KB = 1024
INSPECTED = {"KB_16": 16 * KB, "KB_32": 32 * KB, "KB_48": 48 * KB, "KB_64": 64 * KB}

# Actions for which IAM knows no resources
# (https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html).
WITHOUT_RESOURCES = {
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}

ORIGIN_VARIABLE = "AGENT_ORIGIN_SECRET"
ORIGIN_HEADER = "integration.request.header.X-Amzn-Bedrock-AgentCore-Runtime-Custom-Origin-Verify"


def web_acl(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """A stage without a web ACL is open to floods, known attackers and bodies of any size."""
    arns = [each.get("resourceArn") for each in stack.all(ASSOCIATION)]
    for stage in stack.all(STAGE):
        api, name = stage.get("restApi"), stage.get("stageName")
        wanted = f"/restapis/{api}/stages/{name}"
        covered = any(
            arn == UNKNOWN or (isinstance(arn, str) and (api == UNKNOWN or arn.endswith(wanted))) for arn in arns
        )
        if not covered:
            yield (
                stage,
                (
                    "No web ACL stands in front of the stage, so floods and known attackers reach the agent and its "
                    "bill. Declare a WebAclAssociation with the stage's ARN."
                ),
            )


def body_size(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """WAF passes on what it did not read."""
    for each in stack.all(WEB_ACL):
        if each.get("rules") == UNKNOWN:
            continue
        inspected = _inspected(each)
        limits = [_blocked_size(rule) for rule in each.get("rules") or ()]
        if not any(limit is not None and limit <= inspected for limit in limits):
            yield (
                each,
                (
                    f"WAF reads {inspected // KB} KB of a body and no rule blocks longer ones, so an attack behind "
                    f"{inspected // KB} KB of padding reaches the agent unseen. Declare a size rule that blocks "
                    "above it, with oversizeHandling MATCH."
                ),
            )


def _inspected(acl: Declared) -> int:
    for entry in acl.get("associationConfig", "requestBodies") or ():
        limit = (entry.get("apiGateway") or {}).get("defaultSizeInspectionLimit")
        if limit in INSPECTED:
            return INSPECTED[limit]
    return INSPECTED["KB_16"]


def _blocked_size(rule: dict[str, Any]) -> int | None:
    constraint = (rule.get("statement") or {}).get("sizeConstraintStatement")
    if not constraint or "block" not in (rule.get("action") or {}) or constraint.get("comparisonOperator") != "GT":
        return None
    handling = ((constraint.get("fieldToMatch") or {}).get("body") or {}).get("oversizeHandling")
    return int(constraint["size"]) if handling == "MATCH" else None


def logs(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """Without a log nobody can say who was refused by what, or who came in."""
    for each in stack.all(STAGE):
        if not each.get("accessLogSettings", "destinationArn"):
            yield (
                each,
                "The stage writes no access log, so a refused answer leaves no trace. Declare accessLogSettings.",
            )
    logged = [each.get("resourceArn") for each in stack.all(WEB_ACL_LOGGING)]
    for each in stack.all(WEB_ACL):
        if not logged:
            yield (
                each,
                (
                    "The web ACL writes no log, so nobody can tell an attack from a prompt that was blocked by "
                    "mistake. Declare a WebAclLoggingConfiguration."
                ),
            )


def secrets_in_logs(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """Whoever reads a log must not be able to use what is in it."""
    for each in stack.all(METHOD_SETTINGS):
        if each.get("settings", "dataTraceEnabled") is True or each.get("settings", "loggingLevel") == "INFO":
            yield (
                each,
                (
                    "API Gateway writes whole requests to its log: prompts, tokens and the origin secret. Set "
                    "dataTraceEnabled to false and loggingLevel to OFF or ERROR."
                ),
            )
    for each in stack.all(WEB_ACL_LOGGING):
        redacted = {
            str((field.get("singleHeader") or {}).get("name")).lower() for field in each.get("redactedFields") or ()
        }
        if "authorization" not in redacted:
            yield (
                each,
                (
                    "WAF writes every caller's token to its log, good for an hour to whoever reads it. Redact the "
                    "authorization header."
                ),
            )
    for each in stack.all(STAGE):
        template = str(each.get("accessLogSettings", "format")).lower()
        if "header.authorization" in template or "requestoverride" in template:
            yield each, "The access log shows the caller's token. Remove it from the format."


def throttle(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """The account's 10,000 requests a second are nobody's budget."""
    for stage in stack.all(STAGE):
        paces = [
            each
            for each in stack.all(METHOD_SETTINGS)
            if each.get("restApi") == stage.get("restApi") and each.get("methodPath") == "*/*"
        ]
        bounded = any(_bounds(each) for each in paces)
        if not bounded:
            yield (
                stage,
                (
                    "Nothing bounds the stage's pace, so one caller's loop uses up the model's quota and the "
                    f"budget. Declare MethodSettings for */* with a rate of at most {FASTEST} and a burst."
                ),
            )


def _bounds(settings: Declared) -> bool:
    rate, burst = (settings.get("settings", f"throttling{kind}Limit") for kind in ("Rate", "Burst"))
    return all(value == UNKNOWN or (value is not None and 0 <= float(value) <= FASTEST) for value in (rate, burst))


def privileges(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """What runs in the microVM can use all of the role."""
    for each in stack.all(ROLE_POLICY, ROLE):
        texts = [each.get("policy")] + [inline.get("policy") for inline in each.get("inlinePolicies") or ()]
        for statement in (found for text in texts for found in policy_statements(text)):
            if statement.get("Effect") != "Allow":
                continue
            actions = [str(action) for action in as_list(statement.get("Action", "*"))]
            wide = [action for action in actions if "*" in action]
            if wide:
                yield (
                    each,
                    (
                        f"The role may do {', '.join(wide)}: code that a prompt talks into misbehaving can too. Name "
                        "the actions."
                    ),
                )
            everything = any(_is_everything(resource) for resource in as_list(statement.get("Resource", "*")))
            boundless = sorted(set(actions) - WITHOUT_RESOURCES)
            if everything and boundless:
                yield (
                    each,
                    f"The role may use {', '.join(boundless)} on everything in the account. Name the resources.",
                )


def _is_everything(resource: Any) -> bool:
    """Whether a resource names nothing: ``*``, or an ARN whose last part, or whose Bedrock model, is a wildcard."""
    text = str(resource)
    if text == "*":
        return True
    parts = text.split(":", 5)
    if len(parts) < 6:
        return False
    return parts[5] == "*" or (parts[2] == "bedrock" and "*" in text)


def bypass(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """The runtime's own address is public and takes the same token."""
    if not stack.is_production:
        return
    private = any(
        statement.get("Effect") == "Deny" and "aws:SourceVpce" in str(statement.get("Condition"))
        for policy in stack.all(RESOURCE_POLICY)
        for statement in policy_statements(policy.get("policy"))
    ) or any(policy.get("policy") == UNKNOWN for policy in stack.all(RESOURCE_POLICY))
    sent = any(
        mapping == UNKNOWN or ORIGIN_HEADER in (mapping or {})
        for mapping in (each.get("requestParameters") for each in stack.all(INTEGRATION))
    )
    for each in stack.all(RUNTIME):
        variables = each.get("environmentVariables")
        asked = variables == UNKNOWN or bool((variables or {}).get(ORIGIN_VARIABLE))
        if not (private or (asked and sent)):
            yield (
                each,
                (
                    "A caller with a token can go round WAF, throttle and log straight to the runtime. Set "
                    "bypassProtection to origin-secret or private."
                ),
            )
