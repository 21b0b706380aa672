"""What is refused before anybody is asked who they are: the web ACL on the API's stage.

Prompts are prose, and prose talks about SQL, scripts and paths. The managed groups' rules that read the *body* are
therefore set to Count; the same rules on headers, path and query stay on Block. The web ACL does not recognise
prompt injection, and does not claim to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

from infra.config import FirewallSettings


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


# Capacities: https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
MANAGED_GROUPS: Sequence[ManagedGroup] = (
    ManagedGroup("AWSManagedRulesAmazonIpReputationList", 25, {}),
    ManagedGroup(
        "AWSManagedRulesCommonRuleSet",
        700,
        {
            "SizeRestrictions_BODY": "blocks every body above 8 KB; the size rule of this web ACL decides instead",
            "GenericLFI_BODY": "a question about ../ paths",
            "GenericRFI_BODY": "a question that quotes a URL with an address in it",
            "CrossSiteScripting_BODY": "a question about HTML with a <script> in it",
            "EC2MetaDataSSRF_BODY": "a question about instance metadata",
        },
    ),
    ManagedGroup(
        "AWSManagedRulesKnownBadInputsRuleSet",
        200,
        {
            "Log4JRCE_BODY": "a question about the Log4j weakness that quotes it",
            "JavaDeserializationRCE_BODY": "a stack trace of a Java program",
        },
    ),
    ManagedGroup("AWSManagedRulesSQLiRuleSet", 200, {"SQLi_BODY": "a question with a SQL statement in it"}),
)

TOO_LARGE = "request-too-large"
TOO_MANY = "too-many-requests"


class Firewall(pulumi.ComponentResource):
    """A regional web ACL, associated with the stage.

    Pulumi type: ``agentstream:infra:Firewall``. Produces ``wafv2.WebAcl`` and ``wafv2.WebAclAssociation``. Leaves the
    stage's own throttle to `StreamingApi`.
    """

    web_acl_arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: FirewallSettings,
        *,
        stage_arn: pulumi.Output[str],
        tags: dict[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("agentstream:infra:Firewall", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        rules = [_size_rule(settings.body_limit_kb * 1024), _rate_rule(settings.requests_per_address)]
        rules += [_managed(group, priority=len(rules) + index) for index, group in enumerate(MANAGED_GROUPS)]
        web_acl = aws.wafv2.WebAcl(
            f"{name}-firewall",
            scope="REGIONAL",
            default_action={"allow": {}},
            rules=rules,
            # WAF reads 16 KB of a body unless told otherwise, and lets the rest pass unseen
            # (https://docs.aws.amazon.com/waf/latest/developerguide/web-acl-setting-body-inspection-limit.html).
            association_config={
                "request_bodies": [{"api_gateway": {"default_size_inspection_limit": "KB_64"}}],
            },
            custom_response_bodies=[
                _json_answer(TOO_LARGE, f"The request body is larger than {settings.body_limit_kb} KB."),
                _json_answer(TOO_MANY, "Too many requests from this address; try again in five minutes."),
            ],
            visibility_config={
                "cloudwatch_metrics_enabled": True,
                "sampled_requests_enabled": True,
                "metric_name": "firewall",
            },
            tags=tags,
            opts=child,
        )
        aws.wafv2.WebAclAssociation(
            f"{name}-firewall-stage", resource_arn=stage_arn, web_acl_arn=web_acl.arn, opts=child
        )

        self.web_acl_arn = web_acl.arn
        self.register_outputs({"webAclArn": web_acl.arn})


def _visibility(metric: str) -> aws.wafv2.WebAclRuleVisibilityConfigArgsDict:
    return {"cloudwatch_metrics_enabled": True, "sampled_requests_enabled": True, "metric_name": metric}


def _json_answer(key: str, message: str) -> aws.wafv2.WebAclCustomResponseBodyArgsDict:
    return {"key": key, "content_type": "APPLICATION_JSON", "content": f'{{"message": "{message}"}}'}


def _size_rule(limit: int) -> aws.wafv2.WebAclRuleArgsDict:
    """Block a body that WAF could not read whole, or that is longer than the limit in bytes."""
    return {
        "name": "body-size",
        "priority": 0,
        "statement": {
            "size_constraint_statement": {
                "comparison_operator": "GT",
                "size": limit,
                # MATCH: a body beyond the inspection limit counts as too large.
                "field_to_match": {"body": {"oversize_handling": "MATCH"}},
                "text_transformations": [{"priority": 0, "type": "NONE"}],
            }
        },
        "action": {
            "block": {"custom_response": {"response_code": 413, "custom_response_body_key": TOO_LARGE}},
        },
        "visibility_config": _visibility("body-size"),
    }


def _rate_rule(limit: int) -> aws.wafv2.WebAclRuleArgsDict:
    """Block an address that sends more than so many requests in five minutes."""
    return {
        "name": "rate-per-address",
        "priority": 1,
        "statement": {
            "rate_based_statement": {"aggregate_key_type": "IP", "limit": limit, "evaluation_window_sec": 300}
        },
        "action": {
            "block": {"custom_response": {"response_code": 429, "custom_response_body_key": TOO_MANY}},
        },
        "visibility_config": _visibility("rate-per-address"),
    }


def _managed(group: ManagedGroup, *, priority: int) -> aws.wafv2.WebAclRuleArgsDict:
    overrides: list[aws.wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgsDict] = [
        {"name": rule, "action_to_use": {"count": {}}} for rule in group.counted
    ]
    return {
        "name": group.name,
        "priority": priority,
        "statement": {
            "managed_rule_group_statement": {
                "vendor_name": "AWS",
                "name": group.name,
                "rule_action_overrides": overrides,
            }
        },
        "override_action": {"none": {}},
        "visibility_config": _visibility(group.name),
    }
