"""What every web ACL of the stack has: IP sets, and a log; both log and samples without secrets."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import ClassVar, Literal

import pulumi
import pulumi_aws as aws

from infra.address_rules import Addresses
from infra.component import Component
from infra.settings.firewall import FirewallSettings

SECRET_HEADERS = ("authorization", "x-api-key")
"""Headers that neither a log nor a sample may show."""


class WebAclComponent(Component):
    """The base of a component that is a web ACL: its scope and Region, its IP sets and its log."""

    SCOPE: ClassVar[Literal["REGIONAL", "CLOUDFRONT"]]
    REGION: ClassVar[str | None] = None
    """The Region of the web ACL and its resources; None for the stack's own."""

    def _address_sets(self, settings: FirewallSettings) -> Addresses:
        """Declare an IP set for each list in use and each IP version in it."""
        lists = {"blocked": settings.blocked_addresses, "only": settings.only_addresses}
        found: dict[str, list[pulumi.Output[str]]] = {}
        for kind, networks in lists.items():
            for version in (4, 6):
                addresses = [text for text in networks if ipaddress.ip_network(text).version == version]
                if addresses:
                    ip_set = aws.wafv2.IpSet(
                        f"{self._name}-{kind}-ipv{version}",
                        description=f"Addresses of the list {kind}.",
                        scope=self.SCOPE,
                        region=self.REGION,
                        ip_address_version=f"IPV{version}",
                        addresses=addresses,
                        opts=self._child,
                    )
                    found.setdefault(kind, []).append(ip_set.arn)
        return found

    def _log(self, acl: aws.wafv2.WebAcl, settings: FirewallSettings, headers: Sequence[str]) -> None:
        """Declare the web ACL's log group, with these headers redacted, and have WAF write to it."""
        group = aws.cloudwatch.LogGroup(
            f"{self._name}-firewall-log",
            # WAF requires this prefix
            # (https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html).
            name=f"aws-waf-logs-{self._name}",
            retention_in_days=self._stack.log_retention_days,
            region=self.REGION,
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
            resource_arn=acl.arn,
            log_destination_configs=[group.arn],
            redacted_fields=[{"single_header": {"name": header}} for header in headers],
            logging_filter=None if settings.log_passed_requests else keep,
            region=self.REGION,
            # A web ACL has one logging configuration: deleting the old one would remove the new one.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )


def data_protection(headers: Sequence[str]) -> aws.wafv2.WebAclDataProtectionConfigArgsDict:
    """Keep secret headers and prompts out of samples and out of the log.

    Samples in the console show headers, so redacting the log alone would leave the token readable there. And a rule
    that counts a prompt may write the text that it matched to the log
    (https://docs.aws.amazon.com/waf/latest/developerguide/data-protection-examples.html).
    """
    return {
        "data_protections": [
            {"action": "SUBSTITUTION", "field": {"field_type": "SINGLE_HEADER", "field_keys": [*headers]}},
            {"action": "SUBSTITUTION", "field": {"field_type": "BODY"}},
        ]
    }
