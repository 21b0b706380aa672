"""The peer's web ACL: what it blocks, what it counts and what it logs."""

import json
from collections.abc import Iterator

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

Acl = wafv2.CfnWebACL
TOKEN = Acl.FieldToMatchProperty(single_header={"Name": "authorization"})
PLAIN = [Acl.TextTransformationProperty(priority=0, type="NONE")]
BEARER = (
    r"^Bearer [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
    r"\.([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$"
)
REFUSALS = {
    "too-many-requests": "Too many requests; try again in 5 minutes.",
    "misspelt-token": "Send the token as its issuer wrote it: Authorization: Bearer <ID token>.",
}
"""The bodies of its answers."""

MANAGED = {
    "AmazonIpReputationList": (),
    "CommonRuleSet": (
        "SizeRestrictions_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
        "CrossSiteScripting_BODY",
        "EC2MetaDataSSRF_BODY",
    ),
    "KnownBadInputsRuleSet": ("Log4JRCE_BODY", "JavaDeserializationRCE_BODY", "ReactJSRCE_BODY"),
    "SQLiRuleSet": ("SQLi_BODY", "SQLiExtendedPatterns_BODY"),
}
"""AWS's groups of rules, and which rules of each count instead of blocking."""


class Firewall(Construct):
    """What is refused before anything else."""

    def __init__(self, scope: Construct, id_: str, *, name: str, origin: str, protects: str) -> None:
        super().__init__(scope, id_)
        self.acl = self._acl(name, origin)
        wafv2.CfnWebACLAssociation(self, "Stage", resource_arn=protects, web_acl_arn=self.acl.attr_arn)
        self._log(f"aws-waf-logs-{name}")

    def _acl(self, name: str, origin: str) -> wafv2.CfnWebACL:
        header = Acl.FieldToProtectProperty(field_type="SINGLE_HEADER", field_keys=["authorization", "x-api-key"])
        body = Acl.FieldToProtectProperty(field_type="BODY")
        limit = Acl.RequestBodyAssociatedResourceTypeConfigProperty(default_size_inspection_limit="KB_64")
        return Acl(
            self,
            "Acl",
            scope="REGIONAL",
            description="Stands in front of the API that streams.",
            default_action=Acl.DefaultActionProperty(allow={}),
            visibility_config=_visibility(f"{name}-firewall"),
            association_config=Acl.AssociationConfigProperty(request_body={"API_GATEWAY": limit}),
            custom_response_bodies={
                key: Acl.CustomResponseBodyProperty(
                    content=json.dumps({"message": message}), content_type="APPLICATION_JSON"
                )
                for key, message in REFUSALS.items()
            },
            data_protection_config=Acl.DataProtectionConfigProperty(
                data_protections=[Acl.DataProtectProperty(action="SUBSTITUTION", field=each) for each in (header, body)]
            ),
            rules=[
                Acl.RuleProperty(name=rule, priority=priority, visibility_config=_visibility(rule), **properties)
                for priority, (rule, properties) in enumerate(_rules(origin))
            ],
        )

    def _log(self, name: str) -> None:
        logging = wafv2.CfnLoggingConfiguration
        group = logs.LogGroup(
            self,
            "Log",
            log_group_name=name,
            retention=logs.RetentionDays.ONE_WEEK,
            removal_policy=RemovalPolicy.DESTROY,
        )
        # A filter has no type in CDK: it is written as CloudFormation reads it.
        conditions = [{"ActionCondition": {"Action": action}} for action in ("BLOCK", "COUNT")]
        kept = {"Behavior": "KEEP", "Requirement": "MEETS_ANY", "Conditions": conditions}
        arn = Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
            resource_name=group.log_group_name,  # the group's own ARN ends in `:*`, which WAF does not take
        )
        logging(
            self,
            "Logging",
            resource_arn=self.acl.attr_arn,
            log_destination_configs=[arn],
            logging_filter={"DefaultBehavior": "DROP", "Filters": [kept]},
            redacted_fields=[
                logging.FieldToMatchProperty(single_header={"Name": each}) for each in ("authorization", "x-api-key")
            ],
        )


def _rules(origin: str) -> Iterator[tuple[str, dict[str, object]]]:
    body = Acl.FieldToMatchProperty(body=Acl.BodyProperty(oversize_handling="MATCH"))
    yield "body-size", {"action": {"count": {}}, "statement": _larger(body, "GT", 65_536)}
    by_address = Acl.RateBasedStatementProperty(limit=600, aggregate_key_type="IP", evaluation_window_sec=300)
    yield "rate-per-address", _block(429, "too-many-requests", origin, rate_based_statement=by_address)
    spelt = Acl.RegexMatchStatementProperty(field_to_match=TOKEN, regex_string=BEARER, text_transformations=PLAIN)
    misspelt = Acl.NotStatementProperty(statement=Acl.StatementProperty(regex_match_statement=spelt))
    there_but_misspelt = Acl.AndStatementProperty(
        statements=[_larger(TOKEN, "GE", 0), Acl.StatementProperty(not_statement=misspelt)]
    )
    yield "token-spelling", _block(401, "misspelt-token", origin, and_statement=there_but_misspelt)
    key = Acl.RateLimitHeaderProperty(
        name="authorization",
        text_transformations=[Acl.TextTransformationProperty(priority=0, type="REMOVE_WHITESPACE")],
    )
    by_token = Acl.RateBasedStatementProperty(
        limit=300,
        aggregate_key_type="CUSTOM_KEYS",
        custom_keys=[Acl.RateBasedStatementCustomKeyProperty(header=key)],
        evaluation_window_sec=300,
    )
    yield "rate-per-token", _block(429, "too-many-requests", origin, rate_based_statement=by_token)
    for group, counted in MANAGED.items():
        managed = Acl.ManagedRuleGroupStatementProperty(
            vendor_name="AWS",
            name=f"AWSManagedRules{group}",
            rule_action_overrides=[
                Acl.RuleActionOverrideProperty(name=rule, action_to_use=Acl.RuleActionProperty(count={}))
                for rule in counted
            ],
        )
        yield (
            f"AWSManagedRules{group}",
            {
                "override_action": Acl.OverrideActionProperty(none={}),
                "statement": Acl.StatementProperty(managed_rule_group_statement=managed),
            },
        )


def _larger(field: wafv2.CfnWebACL.FieldToMatchProperty, than: str, size: int) -> wafv2.CfnWebACL.StatementProperty:
    constraint = Acl.SizeConstraintStatementProperty(
        comparison_operator=than, size=size, field_to_match=field, text_transformations=PLAIN
    )
    return Acl.StatementProperty(size_constraint_statement=constraint)


def _block(status: int, body: str, origin: str, **statement: object) -> dict[str, object]:
    response = Acl.CustomResponseProperty(
        response_code=status,
        custom_response_body_key=body,
        response_headers=[Acl.CustomHTTPHeaderProperty(name="Access-Control-Allow-Origin", value=origin)],
    )
    block = Acl.BlockActionProperty(custom_response=response)
    return {"action": Acl.RuleActionProperty(block=block), "statement": Acl.StatementProperty(**statement)}


def _visibility(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return Acl.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=True
    )
