"""Rules for the web ACL: that every stage has one, that it blocks, that it logs, and that it logs no secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contract import Kind
from policy.cloudfront import skipped_headers
from policy.graph import WEB_ACL_LOGGING, Declared, Stack, nested, single_resource

KB = 1024
INSPECTED = {"KB_16": 16 * KB, "KB_32": 32 * KB, "KB_48": 48 * KB, "KB_64": 64 * KB}

GROUPS = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesSQLiRuleSet",
)
"""AWS's rule groups that every web ACL of this API needs."""

AT_THE_EDGE = ("AWSManagedRulesAmazonIpReputationList",)
"""The groups on addresses, which a web ACL on CloudFront needs; the stage's web ACL has the others."""

SECRET_HEADERS = frozenset({"authorization", "x-api-key"})


def has_web_acl(stage: Declared, stack: Stack) -> Iterator[str]:
    """A stage without a web ACL is open to floods, known attackers and bodies of any size."""
    if not any(
        each.get("resourceArn") == stage.get("arn")
        # A web ACL that is not declared in this stack is not checked by these rules.
        and each.get("webAclArn") in [acl.get("arn") for acl in stack.all(Kind.WEB_ACL)]
        for each in stack.all(Kind.WEB_ACL_ASSOCIATION)
    ):
        yield (
            "The stage has no web ACL of this stack, so floods and known attackers reach the agent and raise its bill. "
            "Declare a WebAclAssociation of the stage's ARN with the stack's own web ACL."
        )


@single_resource
def known_attacks(acl: Declared, _stack: Stack) -> Iterator[str]:
    """A rule that only counts lets attacks pass; a prompt may look like one, so only rules on bodies may count."""
    rules = acl.get("rules") or ()
    blocking = [
        nested(rule, "statement", "managedRuleGroupStatement", "name")
        for rule in rules
        if nested(rule, "overrideAction", "count") is None
        and nested(rule, "statement", "managedRuleGroupStatement", "scopeDownStatement") is None
    ]
    missing = [group for group in (AT_THE_EDGE if _is_at_the_edge(acl) else GROUPS) if group not in blocking]
    if missing:
        yield (
            f"The web ACL does not apply {', '.join(missing)}, so known attacks reach the agent. Declare the groups, "
            "with overrideAction none and without scopeDownStatement."
        )
    counted = [name for rule in rules for name in _overridden(rule, "count") if not name.endswith("_BODY")]
    if counted:
        yield (
            f"{', '.join(counted)} only counts, but only rules that inspect the body can match a prompt by mistake. "
            "Remove the override."
        )


def _overridden(rule: Mapping[str, Any], action: str) -> list[str]:
    """The rules of a managed group whose action is overridden by this one."""
    overrides = nested(rule, "statement", "managedRuleGroupStatement", "ruleActionOverrides") or ()
    return [each.get("name") for each in overrides if nested(each, "actionToUse", action) is not None]


@single_resource
def floods(acl: Declared, _stack: Stack) -> Iterator[str]:
    """All callers share the throttle: without a limit for each address one caller can use it up."""
    if not any(
        nested(rule, "statement", "rateBasedStatement", "aggregateKeyType") in ("IP", "FORWARDED_IP")
        and _counts_all_requests(rule, acl)
        and _blocks(rule)
        for rule in acl.get("rules") or ()
    ):
        yield (
            "No rule blocks an address that sends too many requests, so one caller can use up the limits of all. "
            "Declare a rule with a rateBasedStatement by IP that blocks; its scopeDownStatement may only skip requests "
            "with CloudFront's header."
        )


def _counts_all_requests(rule: Mapping[str, Any], acl: Declared) -> bool:
    """Whether a rate rule counts all requests, or skips only CloudFront's, which its own web ACL has counted.

    `policy.cloudfront.trusts_cloudfront_alone` checks the header by which they are recognised.
    """
    scope = nested(rule, "statement", "rateBasedStatement", "scopeDownStatement")
    return scope is None or (bool(skipped_headers(rule)) and not _is_at_the_edge(acl))


def _is_at_the_edge(acl: Declared) -> bool:
    return bool(acl.get("scope") == "CLOUDFRONT")


@single_resource
def no_short_cut(acl: Declared, _stack: Stack) -> Iterator[str]:
    """Allow ends the evaluation (…/waf/latest/developerguide/web-acl-rule-actions.html)."""
    for rule in acl.get("rules") or ():
        allowing = [rule.get("name")] if nested(rule, "action", "allow") is not None else []
        for name in [*allowing, *_overridden(rule, "allow")]:
            yield (
                f"A request that the rule {name} allows skips all later rules. Remove the rule or the override; to "
                "allow some addresses only, block the others."
            )


@single_resource
def large_bodies(acl: Declared, _stack: Stack) -> Iterator[str]:
    """WAF passes on the part of a body that it does not inspect, and nothing shows it unless a rule counts it."""
    if _is_at_the_edge(acl):
        return  # the stage's web ACL inspects bodies
    inspected = _inspected(acl)
    limits = [_seen_size(rule) for rule in acl.get("rules") or ()]
    if not any(limit is not None and limit <= inspected for limit in limits):
        yield (
            f"WAF inspects {inspected // KB} KB of a body, and no rule counts or blocks longer ones, so nothing shows "
            "how much passes uninspected. Declare a size rule at or below it, with oversizeHandling MATCH."
        )


def _inspected(acl: Declared) -> int:
    for entry in acl.get("associationConfig", "requestBodies") or ():
        limit = nested(entry, "apiGateway", "defaultSizeInspectionLimit")
        if limit in INSPECTED:
            return INSPECTED[limit]
    return INSPECTED["KB_16"]


def _seen_size(rule: Mapping[str, Any]) -> float | None:
    """Bytes above which the rule counts or blocks a body, including one that WAF cannot inspect as a whole."""
    constraint = nested(rule, "statement", "sizeConstraintStatement")
    handling = nested(constraint, "fieldToMatch", "body", "oversizeHandling")
    if handling != "MATCH" or constraint.get("comparisonOperator") != "GT":
        return None
    return float(constraint["size"])


def _blocks(rule: Mapping[str, Any]) -> bool:
    return nested(rule, "action", "block") is not None


def logged(acl: Declared, stack: Stack) -> Iterator[str]:
    """Without a log, refusals cannot be explained afterwards."""
    if not any(each.get("resourceArn") == acl.get("arn") for each in stack.all(WEB_ACL_LOGGING)):
        yield (
            "The web ACL writes no log, so an attack cannot be told from a prompt that was blocked by mistake. "
            "Declare a WebAclLoggingConfiguration."
        )


@single_resource
def log_hides_secrets(logging: Declared, _stack: Stack) -> Iterator[str]:
    """A reader of the log must not find a usable token or key in it."""
    shown = SECRET_HEADERS - _redacted(logging)
    if shown:
        yield (
            f"WAF writes {' and '.join(sorted(shown))} of every request to its log, where a valid token or key can be "
            "read. Redact the headers."
        )


def log_hides_cloudfronts(logging: Declared, stack: Stack) -> Iterator[str]:
    """A caller who knows CloudFront's secret header can bypass the rate limit of addresses."""
    acls = (acl for acl in stack.all(Kind.WEB_ACL) if acl.get("arn") == logging.get("resourceArn"))
    shown = {name for acl in acls for name in _of_cloudfront(acl)} - _redacted(logging)
    if shown:
        yield (
            f"WAF writes {' and '.join(sorted(shown))} of every request to its log, with which a caller could pose as "
            "CloudFront. Redact the header."
        )


def _redacted(logging: Declared) -> set[str]:
    return {str(nested(field, "singleHeader", "name")).lower() for field in logging.get("redactedFields") or ()}


def _of_cloudfront(acl: Declared) -> frozenset[str]:
    """The headers by which CloudFront's requests are recognised."""
    return frozenset(name for rule in acl.get("rules") or () for name, _ in skipped_headers(rule))


@single_resource
def samples_hide_secrets(acl: Declared, _stack: Stack) -> Iterator[str]:
    """The console shows sampled requests, even if the log redacts them."""
    secret = SECRET_HEADERS | _of_cloudfront(acl)
    shown = secret
    exceptions = ("excludeRateBasedDetails", "excludeRuleMatchDetails")
    entries = acl.get("dataProtectionConfig", "dataProtections") or ()
    for entry in entries:
        if nested(entry, "field", "fieldType") == "SINGLE_HEADER" and not any(map(entry.get, exceptions)):
            # No keys: every header (…/waf/latest/APIReference/API_FieldToProtect.html).
            shown = shown - {key.lower() for key in nested(entry, "field", "fieldKeys") or secret}
    bodies = [entry for entry in entries if nested(entry, "field", "fieldType") == "BODY"]
    if not any(not any(map(entry.get, exceptions)) for entry in bodies):
        yield (
            "A rule that counts writes the text that it matched in a prompt to the web ACL's log. Declare "
            "dataProtectionConfig for BODY, without exceptions."
        )
    if shown:
        yield (
            f"WAF shows {' and '.join(sorted(shown))} of sampled requests in the console. Declare "
            "dataProtectionConfig for the headers, without exceptions."
        )
