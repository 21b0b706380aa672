"""The web ACL's rules, and their cost in capacity units.

Prompts are prose, and prose mentions SQL, scripts and paths. The managed groups' rules that inspect the *body* are
therefore set to Count; the same rules on headers, path and query stay on Block. The web ACL does not detect prompt
injection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pulumi_aws as aws

from infra.address_rules import Addresses, Secrets, address_rate, list_rules
from infra.settings.firewall import FirewallSettings
from infra.waf_parts import MISSPELT, TOO_LARGE, Priced, Rule, Statement, in_order, rate_rule, refuse, visibility

CAPACITY_LIMIT = 1_500
"""Units that a web ACL may have without a surcharge (…/developerguide/aws-waf-capacity-units.html)."""

TOKEN_HEADER = "authorization"  # noqa: S105 - the name of the header, not a token

SPELLING = (
    r"^Bearer [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\."
    r"([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$"
)
"""The one valid spelling of a token. The signature covers everything before it; the signature's own last character has
unused bits, which a lenient decoder ignores, so they must be zero, as in RFC 4648 §3.5."""


class ManagedGroup(NamedTuple):
    """One of AWS's managed rule groups.

    Attributes:
        name: as AWS names it.
        capacity: its cost in web ACL capacity units.
        counted: rules that only count, each with the prompt that it would otherwise have blocked.
    """

    name: str
    capacity: int
    counted: Mapping[str, str]


# Names, rules and capacities: https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
IP_REPUTATION = ManagedGroup("AWSManagedRulesAmazonIpReputationList", 25, {})
ANONYMOUS_IP = ManagedGroup("AWSManagedRulesAnonymousIpList", 50, {})
BOT_CONTROL = ManagedGroup("AWSManagedRulesBotControlRuleSet", 50, {})
COMMON = ManagedGroup(
    "AWSManagedRulesCommonRuleSet",
    700,
    {
        "SizeRestrictions_BODY": "blocks every body above 8 KB; the size rule of this web ACL decides instead",
        "GenericLFI_BODY": "a question about ../ paths",
        "GenericRFI_BODY": "a question that quotes a URL with an address in it",
        "CrossSiteScripting_BODY": "a question about HTML with a <script> in it",
        "EC2MetaDataSSRF_BODY": "a question about instance metadata",
    },
)
KNOWN_BAD_INPUTS = ManagedGroup(
    "AWSManagedRulesKnownBadInputsRuleSet",
    200,
    {
        "Log4JRCE_BODY": "a question about the Log4j weakness that quotes it",
        "JavaDeserializationRCE_BODY": "a stack trace of a Java program",
        "ReactJSRCE_BODY": "a question about the weakness of React's server components that quotes it",
    },
)
SQL_INJECTION = ManagedGroup(
    "AWSManagedRulesSQLiRuleSet",
    200,
    {
        "SQLi_BODY": "a question with a SQL statement in it",
        "SQLiExtendedPatterns_BODY": "a longer one, or one about how injection works",
    },
)


def rules(settings: FirewallSettings, addresses: Addresses, origin: str, secrets: Secrets = ()) -> list[Rule]:
    """Every rule of the stage's web ACL with its priority, cheapest and most certain first.

    Args:
        settings: the web ACL's settings.
        addresses: the lists of addresses in use.
        origin: the page that may read a custom response; empty for none.
        secrets: the values that CloudFront sends, if it is in front of the stage.
    """
    return in_order(_priced(settings, addresses, origin, secrets))


def edge_rules(settings: FirewallSettings, addresses: Addresses) -> list[Rule]:
    """The rules of the web ACL on CloudFront: those on the viewer's address.

    The stage's web ACL inspects everything else in a request to the agent; the page's files are static and do not
    depend on the request.
    """
    groups = [IP_REPUTATION, *([ANONYMOUS_IP] if settings.anonymous_addresses else [])]
    return in_order(
        [*list_rules(addresses, ()), address_rate(settings, "", ()), *(_managed(group) for group in groups)]
    )


def capacity(settings: FirewallSettings, secrets: int = 0) -> int:
    """The capacity units of the stage's web ACL with so many CloudFront secrets; an upper bound of AWS's count."""
    both = ["IPv4", "IPv6"]
    lists = {"only": both} if settings.only_addresses else {}
    lists |= {"blocked": both} if settings.blocked_addresses else {}
    return sum(priced.capacity for priced in _priced(settings, lists, "", ["secret"] * secrets))


def _priced(settings: FirewallSettings, addresses: Addresses, origin: str, secrets: Secrets) -> list[Priced]:
    groups = [IP_REPUTATION]
    groups += [ANONYMOUS_IP] if settings.anonymous_addresses else []
    groups += [BOT_CONTROL] if settings.bot_control else []
    groups += [COMMON, KNOWN_BAD_INPUTS, SQL_INJECTION]
    return [
        *list_rules(addresses, secrets),
        _size_rule(settings, origin),
        address_rate(settings, origin, secrets),
        # After the rate per address, so that requests with another spelling count there.
        *([_spelling_rule(origin)] if settings.one_token_spelling else []),
        _token_rate(settings, origin),
        *(_managed(group) for group in groups),
    ]


def _size_rule(settings: FirewallSettings, origin: str) -> Priced:
    """Block a body above the limit; without a limit, count bodies that WAF cannot inspect as a whole.

    Blocking those would protect nothing, since the rules on the body only count; and it would end a long conversation,
    which an AG-UI client sends as a whole.
    """
    limit = settings.body_limit_kb
    rule: Rule = {
        "name": "body-size",
        "priority": 0,
        "statement": {
            "size_constraint_statement": {
                "comparison_operator": "GT",
                "size": (limit or settings.inspection_kb) * 1024,
                # MATCH: a body beyond the inspection limit counts as too large
                # (https://docs.aws.amazon.com/waf/latest/developerguide/waf-oversize-request-components.html).
                "field_to_match": {"body": {"oversize_handling": "MATCH"}},
                "text_transformations": [{"priority": 0, "type": "NONE"}],
            }
        },
        "action": {"count": {}} if limit is None else refuse(413, TOO_LARGE, origin),
        "visibility_config": visibility("body-size"),
    }
    return Priced(rule, 1 + 10)


def _token_rate(settings: FirewallSettings, origin: str) -> Priced:
    """Block a token that exceeds the limit of requests in a window."""
    # A user behind many addresses has one token. A request without the header is counted by its address only.
    token: aws.wafv2.WebAclRuleStatementRateBasedStatementArgsDict = {
        "aggregate_key_type": "CUSTOM_KEYS",
        "limit": settings.requests_per_token,
        "evaluation_window_sec": settings.rate_window_seconds,
        # The authorizer ignores white space around a token, so it must not make another key.
        "custom_keys": [
            {"header": {"name": TOKEN_HEADER, "text_transformations": [{"priority": 0, "type": "REMOVE_WHITESPACE"}]}}
        ],
    }
    return Priced(rate_rule("rate-per-token", token, origin), 2 + 30 + 10)


def _spelling_rule(origin: str) -> Priced:
    """Block a token in another spelling: each spelling would be another key with its own count."""
    header: aws.wafv2.WebAclRuleStatementSizeConstraintStatementFieldToMatchArgsDict = {
        "single_header": {"name": TOKEN_HEADER}
    }
    unchanged: list[aws.wafv2.WebAclRuleStatementSizeConstraintStatementTextTransformationArgsDict] = [
        {"priority": 0, "type": "NONE"}
    ]
    # An absent header matches no condition, so a browser's preflight passes.
    present: Statement = {
        "size_constraint_statement": {
            "comparison_operator": "GE",
            "size": 0,
            "field_to_match": header,
            "text_transformations": unchanged,
        }
    }
    well_spelt: Statement = {
        "regex_match_statement": {
            "regex_string": SPELLING,
            "field_to_match": {"single_header": {"name": TOKEN_HEADER}},
            "text_transformations": [{"priority": 0, "type": "NONE"}],
        }
    }
    rule: Rule = {
        "name": "token-spelling",
        "priority": 0,
        "statement": {"and_statement": {"statements": [present, {"not_statement": {"statement": well_spelt}}]}},
        "action": refuse(401, MISSPELT, origin),
        "visibility_config": visibility("token-spelling"),
    }
    return Priced(rule, 1 + 10 + 3 + 10)


def _managed(group: ManagedGroup) -> Priced:
    overrides: list[aws.wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgsDict] = [
        {"name": rule, "action_to_use": {"count": {}}} for rule in group.counted
    ]
    statement: aws.wafv2.WebAclRuleStatementManagedRuleGroupStatementArgsDict = {
        "vendor_name": "AWS",
        "name": group.name,
        "rule_action_overrides": overrides,
    }
    if group is BOT_CONTROL:
        # Targeted needs a token that only a browser can fetch
        # (https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-bot.html).
        statement["managed_rule_group_configs"] = [
            {"aws_managed_rules_bot_control_rule_set": {"inspection_level": "COMMON"}}
        ]
    rule: Rule = {
        "name": group.name,
        "priority": 0,
        "statement": {"managed_rule_group_statement": statement},
        "override_action": {"none": {}},
        "visibility_config": visibility(group.name),
    }
    return Priced(rule, group.capacity)
