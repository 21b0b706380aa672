"""Parts of a web ACL's rules: their types, names and responses, and their cost in capacity units."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import pulumi_aws as aws

Rule = aws.wafv2.WebAclRuleArgsDict
Statement = aws.wafv2.WebAclRuleStatementArgsDict

TOO_LARGE = "request-too-large"
TOO_MANY = "too-many-requests"
MISSPELT = "misspelt-token"


class Priced(NamedTuple):
    """A rule without its priority, and its cost in web ACL capacity units."""

    rule: Rule
    capacity: int


def in_order(found: Sequence[Priced]) -> list[Rule]:
    """The rules with their priorities."""
    return [{**priced.rule, "priority": priority} for priority, priced in enumerate(found)]


def visibility(metric: str) -> aws.wafv2.WebAclRuleVisibilityConfigArgsDict:
    """Metrics and sampled requests under a name."""
    return {"cloudwatch_metrics_enabled": True, "sampled_requests_enabled": True, "metric_name": metric}


def refuse(status: int, body: str, origin: str) -> aws.wafv2.WebAclRuleActionArgsDict:
    """Block with a custom response. It bypasses the gateway's responses, so it needs its own CORS header."""
    response: aws.wafv2.WebAclRuleActionBlockCustomResponseArgsDict = {
        "response_code": status,
        "custom_response_body_key": body,
    }
    if origin:
        response["response_headers"] = [{"name": "Access-Control-Allow-Origin", "value": origin}]
    return {"block": {"custom_response": response}}


def rate_rule(name: str, statement: aws.wafv2.WebAclRuleStatementRateBasedStatementArgsDict, origin: str) -> Rule:
    """Block requests above the limit of a rate-based statement."""
    return {
        "name": name,
        "priority": 0,
        "statement": {"rate_based_statement": statement},
        "action": refuse(429, TOO_MANY, origin),
        "visibility_config": visibility(name),
    }


def json_response(key: str, message: str) -> aws.wafv2.WebAclCustomResponseBodyArgsDict:
    """The body of a custom response, under the key by which rules refer to it."""
    return {"key": key, "content_type": "APPLICATION_JSON", "content": json.dumps({"message": message})}


def too_many(window_seconds: int) -> aws.wafv2.WebAclCustomResponseBodyArgsDict:
    """The body of the response to a caller above a rate limit."""
    return json_response(TOO_MANY, f"Too many requests; try again in {window_seconds // 60} minutes.")
