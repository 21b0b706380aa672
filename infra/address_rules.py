"""The web ACL's rules on the address that a request comes from.

Behind CloudFront every request comes from an address of CloudFront's, and a direct caller of the API can forge a header
with the viewer's address. So the web ACL on CloudFront applies these rules to requests through CloudFront, and the
stage's web ACL applies them only to requests without CloudFront's secret header, which no other caller knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from contract import CLOUDFRONT_HEADER
from infra.settings.firewall import FirewallSettings
from infra.waf_parts import Priced, Rule, Statement, rate_rule, visibility

Addresses = Mapping[str, Sequence[pulumi.Input[str]]]
"""The ARNs of the IP sets by list (``only``, ``blocked``); a list that is not used is left out."""

Secrets = Sequence[pulumi.Input[str]]
"""The accepted values of CloudFront's secret header; none without CloudFront in front of the stage."""

MATCH_CAPACITY = 2 + 10
"""Capacity units of matching one value of a header."""


def list_rules(addresses: Addresses, secrets: Secrets) -> list[Priced]:
    """Block the addresses on one list, and all addresses that are not on the other."""
    found: list[Priced] = []
    if "blocked" in addresses:
        found.append(_list_rule("blocked-addresses", _any_of(addresses["blocked"]), len(addresses["blocked"]), secrets))
    if "only" in addresses:
        others: Statement = {"not_statement": {"statement": _any_of(addresses["only"])}}
        found.append(_list_rule("only-these-addresses", others, len(addresses["only"]), secrets))
    return found


def address_rate(settings: FirewallSettings, origin: str, secrets: Secrets) -> Priced:
    """Block an address that exceeds the limit of requests in a window. WAF counts about every 10 s."""
    statement: aws.wafv2.WebAclRuleStatementRateBasedStatementArgsDict = {
        "aggregate_key_type": "IP",
        "limit": settings.requests_per_address,
        "evaluation_window_sec": settings.rate_window_seconds,
    }
    if secrets:
        statement["scope_down_statement"] = _not_from_cloudfront(secrets)
    return Priced(rate_rule("rate-per-address", statement, origin), 2 + MATCH_CAPACITY * len(secrets))


def _list_rule(name: str, statement: Statement, sets: int, secrets: Secrets) -> Priced:
    if secrets:
        statement = {"and_statement": {"statements": [_not_from_cloudfront(secrets), statement]}}
    rule: Rule = {
        "name": name,
        "priority": 0,
        "statement": statement,
        "action": {"block": {}},
        "visibility_config": visibility(name),
    }
    return Priced(rule, sets + MATCH_CAPACITY * len(secrets))


def _not_from_cloudfront(secrets: Secrets) -> Any:  # a nested statement and a rate's scope have different types
    """The request does not carry CloudFront's secret header."""
    values: list[Statement] = [
        {
            "byte_match_statement": {
                "search_string": secret,
                "positional_constraint": "EXACTLY",
                "field_to_match": {"single_header": {"name": CLOUDFRONT_HEADER}},
                "text_transformations": [{"priority": 0, "type": "NONE"}],
            }
        }
        for secret in secrets
    ]
    return {"not_statement": {"statement": _one_of(values)}}


def _any_of(sets: Sequence[pulumi.Input[str]]) -> Statement:
    """The address is in one of the sets."""
    return _one_of([{"ip_set_reference_statement": {"arn": arn}} for arn in sets])


def _one_of(statements: list[Statement]) -> Statement:
    """One of the statements holds; WAF's "or" needs two at least."""
    return statements[0] if len(statements) == 1 else {"or_statement": {"statements": statements}}
