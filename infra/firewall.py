"""What is refused before anybody is asked who they are: the web ACL on the API's stage, its log, its address lists."""

from __future__ import annotations

import ipaddress
import json

import pulumi
import pulumi_aws as aws

from infra import waf_rules
from infra.component import Component, StackContext
from infra.settings.firewall import FirewallSettings

SECRET_HEADERS = ("authorization", "x-api-key")
"""Headers that neither the log nor a sample may show."""


class Firewall(Component):
    """A regional web ACL, associated with the stage.

    Pulumi type: ``agentstream:infra:Firewall``. Produces ``wafv2.WebAcl`` and ``WebAclAssociation``, its
    ``cloudwatch.LogGroup`` and ``wafv2.WebAclLoggingConfiguration``, and a ``wafv2.IpSet`` for each address list and
    IP version in use. Leaves the stage's own throttle to `StreamingApi`.
    """

    web_acl_arn: pulumi.Output[str]
    association: aws.wafv2.WebAclAssociation
    """What puts the web ACL on the stage."""
    metric_name: str
    """The web ACL's name in CloudWatch's ``WebACL`` dimension."""

    def __init__(
        self,
        stack: StackContext,
        settings: FirewallSettings,
        *,
        stage_name: str,
        stage_arn: pulumi.Output[str],
        user_pool_arn: pulumi.Output[str] | None = None,
        allowed_origin: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; Pulumi refuses to delete a protected stack's log."""
        super().__init__("Firewall", stack, opts)
        name = stack.name
        self.metric_name = f"{name}-firewall"

        addresses = {
            "blocked": self._sets("blocked", settings.blocked_addresses),
            "only": self._sets("only", settings.only_addresses),
        }
        used = {kind: sets for kind, sets in addresses.items() if sets}
        minutes = settings.rate_window_seconds // 60
        limit = settings.body_limit_kb
        too_large = (
            [] if limit is None else [_json_answer(waf_rules.TOO_LARGE, f"The request body is larger than {limit} KB.")]
        )
        web_acl = aws.wafv2.WebAcl(
            f"{name}-firewall",
            description="Stands in front of the API that streams.",  # WAF takes no apostrophe here
            scope="REGIONAL",
            default_action={"allow": {}},
            rules=waf_rules.rules(settings, used, allowed_origin),
            # WAF reads 16 KB of a body unless told otherwise, and lets the rest pass unseen
            # (https://docs.aws.amazon.com/waf/latest/developerguide/web-acl-setting-body-inspection-limit.html).
            association_config={
                "request_bodies": [{"api_gateway": {"default_size_inspection_limit": f"KB_{settings.inspection_kb}"}}],
            },
            custom_response_bodies=[
                *too_large,
                _json_answer(waf_rules.TOO_MANY, f"Too many requests; try again in {minutes} minutes."),
                _json_answer(
                    waf_rules.MISSPELT,
                    "The token must be sent as its issuer wrote it: Authorization: Bearer <ID token>.",
                ),
            ],
            # Samples in the console show headers; a redacted log alone would leave the token there to read. And a rule
            # that counts a prompt may write what it matched to the log, for as long as that is kept
            # (https://docs.aws.amazon.com/waf/latest/developerguide/data-protection-examples.html).
            data_protection_config={
                "data_protections": [
                    {
                        "action": "SUBSTITUTION",
                        "field": {"field_type": "SINGLE_HEADER", "field_keys": [*SECRET_HEADERS]},
                    },
                    {"action": "SUBSTITUTION", "field": {"field_type": "BODY"}},
                ]
            },
            visibility_config={
                "cloudwatch_metrics_enabled": True,
                "sampled_requests_enabled": True,
                "metric_name": self.metric_name,
            },
            opts=self._child,
        )
        # A stage has one association, and deleting it takes whichever web ACL is there away. Made first, a replacement
        # would be undone by the deletion of the old one (https://github.com/pulumi/pulumi-aws/issues/4782). Another
        # stage's is another resource: it is made beside the old one, which stays until the old stage goes.
        self.association = aws.wafv2.WebAclAssociation(
            f"{name}-firewall-stage-{stage_name}",
            resource_arn=stage_arn,
            web_acl_arn=web_acl.arn,
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                aliases=[pulumi.Alias(name=f"{name}-firewall-stage")],  # its name before there was one for each stage
            ),
        )
        if user_pool_arn is not None:
            aws.wafv2.WebAclAssociation(
                f"{name}-firewall-users",
                resource_arn=user_pool_arn,
                web_acl_arn=web_acl.arn,
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        self._log(web_acl, settings)

        self.web_acl_arn = web_acl.arn
        self.register_outputs({"webAclArn": web_acl.arn})

    def _sets(self, kind: str, networks: list[str]) -> list[pulumi.Output[str]]:
        """The ARNs of the sets that hold a list; a set holds one version of IP."""
        found: list[pulumi.Output[str]] = []
        for version in (4, 6):
            addresses = [text for text in networks if ipaddress.ip_network(text).version == version]
            if addresses:
                ip_set = aws.wafv2.IpSet(
                    f"{self._name}-{kind}-ipv{version}",
                    description=f"Addresses of the list {kind}.",
                    scope="REGIONAL",
                    ip_address_version=f"IPV{version}",
                    addresses=addresses,
                    opts=self._child,
                )
                found.append(ip_set.arn)
        return found

    def _log(self, web_acl: aws.wafv2.WebAcl, settings: FirewallSettings) -> None:
        group = aws.cloudwatch.LogGroup(
            f"{self._name}-firewall-log",
            # WAF writes to no group of another name
            # (https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html).
            name=f"aws-waf-logs-{self._name}",
            retention_in_days=self._stack.log_retention_days,
            opts=self._kept,
        )
        keep: aws.wafv2.WebAclLoggingConfigurationLoggingFilterArgsDict = {
            "default_behavior": "DROP",
            "filters": [
                {
                    "behavior": "KEEP",
                    "requirement": "MEETS_ANY",
                    "conditions": [{"action_condition": {"action": action}} for action in ("BLOCK", "COUNT")],
                }
            ],
        }
        aws.wafv2.WebAclLoggingConfiguration(
            f"{self._name}-firewall-logging",
            resource_arn=web_acl.arn,
            log_destination_configs=[group.arn],
            redacted_fields=[{"single_header": {"name": header}} for header in SECRET_HEADERS],
            logging_filter=None if settings.log_passed_requests else keep,
            # A web ACL has one: deleting the old one would take the new one away.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )


def _json_answer(key: str, message: str) -> aws.wafv2.WebAclCustomResponseBodyArgsDict:
    return {"key": key, "content_type": "APPLICATION_JSON", "content": json.dumps({"message": message})}
