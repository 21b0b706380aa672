"""The web ACL on CloudFront: the rules on the viewer's address, which only CloudFront sees."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra import waf_rules
from infra.component import StackContext
from infra.settings.firewall import FirewallSettings
from infra.settings.website import EDGE_REGION
from infra.waf_parts import too_many
from infra.web_acl import SECRET_HEADERS, WebAclComponent, data_protection


class EdgeFirewall(WebAclComponent):
    """A web ACL for a distribution, with the address rules of the stack's own settings.

    Pulumi type: ``agentstream:infra:EdgeFirewall``. Produces ``wafv2.WebAcl`` of scope CLOUDFRONT, its
    ``cloudwatch.LogGroup`` and ``wafv2.WebAclLoggingConfiguration``, and a ``wafv2.IpSet`` for each address list and IP
    version in use, all in us-east-1. Leaves all other rules to `Firewall`, which evaluates the request next.
    """

    SCOPE = "CLOUDFRONT"
    REGION = EDGE_REGION

    web_acl_arn: pulumi.Output[str]

    def __init__(
        self, stack: StackContext, settings: FirewallSettings, *, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare it; Pulumi refuses to delete a protected stack's log."""
        super().__init__("EdgeFirewall", stack, opts)
        acl = aws.wafv2.WebAcl(
            f"{stack.name}-firewall",
            description="Stands in front of the page and of what it asks.",
            scope=self.SCOPE,
            region=self.REGION,
            default_action={"allow": {}},
            rules=waf_rules.edge_rules(settings, self._address_sets(settings)),
            custom_response_bodies=[too_many(settings.rate_window_seconds)],
            data_protection_config=data_protection(SECRET_HEADERS),
            visibility_config={
                "cloudwatch_metrics_enabled": True,
                "sampled_requests_enabled": True,
                "metric_name": f"{stack.name}-firewall",
            },
            opts=self._child,
        )
        self._log(acl, settings, SECRET_HEADERS)
        self.web_acl_arn = acl.arn
        self.register_outputs({"webAclArn": acl.arn})
