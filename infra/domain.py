"""The API's custom domain: certificate, mapping and DNS record."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.certificate import issued_certificate
from infra.component import Component, StackContext
from infra.settings.api import ApiSettings, DomainSettings


class ApiDomain(Component):
    """The API's own host name.

    Pulumi type: ``agentstream:infra:ApiDomain``. Produces ``apigateway.DomainName`` and ``BasePathMapping``; with a
    hosted zone also ``route53.Record``; without a certificate also ``acm.Certificate`` and ``CertificateValidation``.
    The path is the API's own (``https://<name>/invocations``). The web ACL is on the stage and so covers this name too.
    """

    url: pulumi.Output[str]
    domain_name: aws.apigateway.DomainName
    """Created once its certificate is issued."""

    def __init__(
        self,
        stack: StackContext,
        settings: DomainSettings,
        api: ApiSettings,
        *,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("ApiDomain", stack, opts)
        name = stack.name
        certificate = pulumi.Output.from_input(
            settings.certificate_arn
            or issued_certificate(name, settings.name, settings.hosted_zone_id, opts=self._child)
        )
        at_the_edge = api.endpoint_type == "EDGE"
        self._settings = settings
        self._at_the_edge = at_the_edge
        self.domain_name = aws.apigateway.DomainName(
            f"{name}-domain",
            domain_name=settings.name,
            endpoint_configuration={"types": api.endpoint_type, "ip_address_type": "ipv4"},
            certificate_arn=certificate if at_the_edge else None,
            regional_certificate_arn=None if at_the_edge else certificate,
            security_policy=api.security_policy,
            endpoint_access_mode=api.access_mode,
            opts=self._child,
        )
        self.url = pulumi.Output.concat("https://", self.domain_name.domain_name)
        self.register_outputs({"url": self.url})

    def map_to(self, stage: aws.apigateway.Stage, after: Sequence[pulumi.Resource]) -> None:
        """Map the domain to a stage once ``after`` exists; its DNS record is created last."""
        domain, settings = self.domain_name, self._settings
        mapping = aws.apigateway.BasePathMapping(
            f"{self._name}-domain-stage",
            domain_name=domain.domain_name,
            rest_api=stage.rest_api,
            stage_name=stage.stage_name,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        if settings.hosted_zone_id:
            aws.route53.Record(
                f"{self._name}-domain-record",
                zone_id=settings.hosted_zone_id,
                name=settings.name,
                type="A",
                aliases=[
                    {
                        "name": domain.cloudfront_domain_name if self._at_the_edge else domain.regional_domain_name,
                        "zone_id": domain.cloudfront_zone_id if self._at_the_edge else domain.regional_zone_id,
                        "evaluate_target_health": False,  # API Gateway's addresses have no health check
                    }
                ],
                opts=pulumi.ResourceOptions(parent=self, depends_on=[mapping]),
            )
