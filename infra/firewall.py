"""The web ACL on the API's stage, its IP sets and its log; evaluated before authentication."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from contract import CLOUDFRONT_HEADER
from infra import waf_rules
from infra.component import StackContext
from infra.origin import OriginSecret
from infra.settings.firewall import FirewallSettings
from infra.waf_parts import MISSPELT, TOO_LARGE, json_response, too_many
from infra.web_acl import SECRET_HEADERS, WebAclComponent, data_protection


class Firewall(WebAclComponent):
    """A regional web ACL, associated with the stage.

    Pulumi type: ``agentstream:infra:Firewall``. Produces ``wafv2.WebAcl`` and ``WebAclAssociation``, its
    ``cloudwatch.LogGroup`` and ``wafv2.WebAclLoggingConfiguration``, and a ``wafv2.IpSet`` for each address list and
    IP version in use. Leaves the stage's own throttle to `StreamingApi`.
    """

    SCOPE = "REGIONAL"

    web_acl_arn: pulumi.Output[str]
    association: aws.wafv2.WebAclAssociation
    """The association of the web ACL with the stage."""
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
        cloudfront: OriginSecret | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; Pulumi refuses to delete a protected stack's log.

        ``cloudfront`` is the secret that CloudFront sends, if it is in front of the stage: the address rules then leave
        its requests to the web ACL on CloudFront.
        """
        super().__init__("Firewall", stack, opts)
        name = stack.name
        self.metric_name = f"{name}-firewall"

        secrets = cloudfront.accepted if cloudfront else []
        headers = [*SECRET_HEADERS, *([CLOUDFRONT_HEADER] if secrets else [])]
        limit = settings.body_limit_kb
        too_large = [] if limit is None else [json_response(TOO_LARGE, f"The request body is larger than {limit} KB.")]
        misspelt = "The token must be sent as its issuer wrote it: Authorization: Bearer <ID token>."
        acl = aws.wafv2.WebAcl(
            f"{name}-firewall",
            description="Stands in front of the API that streams.",  # WAF accepts no apostrophe here
            scope=self.SCOPE,
            default_action={"allow": {}},
            rules=waf_rules.rules(settings, self._address_sets(settings), allowed_origin, secrets),
            # By default WAF inspects the first 16 KB of a body
            # (https://docs.aws.amazon.com/waf/latest/developerguide/web-acl-setting-body-inspection-limit.html).
            association_config={
                "request_bodies": [{"api_gateway": {"default_size_inspection_limit": f"KB_{settings.inspection_kb}"}}],
            },
            custom_response_bodies=[
                *too_large,
                too_many(settings.rate_window_seconds),
                json_response(MISSPELT, misspelt),
            ],
            data_protection_config=data_protection(headers),
            visibility_config={
                "cloudwatch_metrics_enabled": True,
                "sampled_requests_enabled": True,
                "metric_name": self.metric_name,
            },
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["rules"] if secrets else None),
        )
        # A stage has one association, and deleting it removes whichever web ACL is associated. If the replacement were
        # created first, the deletion of the old one would undo it (https://github.com/pulumi/pulumi-aws/issues/4782).
        # For another stage it is another resource, created beside the old one, which stays as long as the old stage.
        self.association = aws.wafv2.WebAclAssociation(
            f"{name}-firewall-stage-{stage_name}",
            resource_arn=stage_arn,
            web_acl_arn=acl.arn,
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
                web_acl_arn=acl.arn,
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        self._log(acl, settings, headers)
        self.web_acl_arn = acl.arn
        self.register_outputs({"webAclArn": acl.arn})
