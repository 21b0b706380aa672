"""The chat page at an address of its own: CloudFront in front of a private bucket, and of the API.

Page and API are one origin, so a browser asks nobody's leave before a call, and no header decides who may read an
answer. What CloudFront does to a stream is what its behaviour for ``/invocations`` says: nothing is stored, nothing is
compressed, and the bytes pass as they come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import pulumi
import pulumi_aws as aws

from contract import CLOUDFRONT_HEADER, ROUTE
from infra.api import StreamingApi
from infra.bucket import PrivateBucket
from infra.built_page import built_page
from infra.certificate import issued_certificate
from infra.component import Component, StackContext
from infra.edge_firewall import EdgeFirewall
from infra.identity import Identity
from infra.origin import OriginSecret
from infra.page import page_config, security_headers
from infra.settings.firewall import FirewallSettings
from infra.settings.website import EDGE_REGION, WebsiteSettings
from infra.website_files import INDEX, upload

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html
ALL_VIEWER_EXCEPT_HOST_HEADER = "b689b0a8-53d0-40ab-baf2-68738e2966ac"

EVERY_METHOD = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
"""CloudFront takes POST with all of these or not at all; the API refuses what it does not serve."""

READING = ["GET", "HEAD"]

YEAR_SECONDS = 31_536_000


class Website(Component):
    """The page's address.

    Pulumi type: ``agentstream:infra:Website``. Produces ``cloudfront.Distribution``, ``OriginAccessControl`` and
    ``ResponseHeadersPolicy``, a private ``s3.Bucket`` with what belongs to it and a ``BucketObjectv2`` for each file,
    an `EdgeFirewall`; with a hosted zone also ``route53.Record``; without a certificate also ``acm.Certificate`` and
    ``CertificateValidation``. Leaves tokens, throttle and everything but addresses to the API behind it.

    It has no access log of its own: what asks the agent is in the API's, what is refused here in the web ACL's (with
    ``firewall.logPassedRequests`` everything is), and the rest are reads of files that are the same for everybody.
    """

    url: pulumi.Output[str]

    def __init__(
        self,
        stack: StackContext,
        settings: WebsiteSettings,
        *,
        identity: Identity,
        api: StreamingApi,
        secret: OriginSecret,
        told: Mapping[str, str | int],
        firewall: FirewallSettings,
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; a protected stack keeps the bucket with what it holds, and the web ACL's log.

        Args:
            stack: what all components share.
            settings: the section ``website``.
            identity: where the page sends its users to sign in.
            api: what answers the page's questions.
            secret: what CloudFront sends to the API, so that the stage's web ACL knows its requests.
            told: what else the page must know, by the names of `PageConfig` in ``web/src/config.ts``.
            firewall: the settings whose address rules hold here.
            after: what must know the secret before CloudFront sends it.
            opts: of the component.
        """
        part = stack.below("website")
        super().__init__("Website", part, opts)
        self._settings = settings
        web_acl = EdgeFirewall(part, firewall, opts=self._child)
        bucket = PrivateBucket(part.name, keep=stack.protect, opts=self._child)
        distribution = self._distribution(
            web_acl,
            pages=self._page_origin(bucket.bucket),
            api=self._api_origin(api.origin_url, secret),
            headers=self._headers(identity.login_url),
            after=after,
        )
        bucket.give_policy(
            f"{part.name}-reader",
            {
                "Sid": "ThisDistribution",
                "Effect": "Allow",
                "Principal": {"Service": "cloudfront.amazonaws.com"},
                "Action": "s3:GetObject",
                "Resource": pulumi.Output.concat(bucket.bucket.arn, "/*"),
                "Condition": {"StringEquals": {"AWS:SourceArn": distribution.arn}},
            },
        )
        outputs = {
            "stackName": stack.name,
            "issuer": identity.issuer,
            "loginUrl": identity.login_url,
            "userPoolClientId": identity.client_id,
        }
        config = page_config(outputs, settings.url, inspector=settings.inspector, **told)
        upload(f"{part.name}-file", bucket.bucket, built_page(), pulumi.Output.json_dumps(config), parent=self)
        if settings.hosted_zone_id:
            self._publish(distribution)
        self.url = pulumi.Output.from_input(settings.url)
        self.register_outputs({"url": self.url})

    def _distribution(
        self,
        web_acl: EdgeFirewall,
        *,
        pages: aws.cloudfront.DistributionOriginArgsDict,
        api: aws.cloudfront.DistributionOriginArgsDict,
        headers: aws.cloudfront.ResponseHeadersPolicy,
        after: Sequence[pulumi.Resource],
    ) -> aws.cloudfront.Distribution:
        settings = self._settings
        certificate = settings.certificate_arn or issued_certificate(
            self._name, settings.domain, settings.hosted_zone_id, opts=self._child, region=EDGE_REGION
        )
        return aws.cloudfront.Distribution(
            self._name,
            comment=f"The chat page: {self._name}, and the API behind it.",
            enabled=True,
            aliases=[settings.domain],
            default_root_object=INDEX,
            http_version="http2and3",
            # The API answers over IPv4 alone, and lists and rates go by address: of IPv6's a caller has any number.
            is_ipv6_enabled=False,
            price_class=settings.price_class,
            web_acl_id=web_acl.web_acl_arn,
            viewer_certificate={
                "acm_certificate_arn": certificate,
                "ssl_support_method": "sni-only",
                "minimum_protocol_version": settings.security_policy,
            },
            # Countries are the web ACL's to tell apart, whose refusals are in a log.
            restrictions={"geo_restriction": {"restriction_type": "none"}},
            # Nothing of custom_error_responses: a page in place of the API's 401, 403 or 429 would hide why from its
            # caller, and a page in place of a missing file would be cached as that file.
            origins=[pages, api],
            default_cache_behavior={
                "target_origin_id": "page",
                "viewer_protocol_policy": "redirect-to-https",
                "allowed_methods": READING,
                "cached_methods": READING,
                "cache_policy_id": CACHING_OPTIMIZED,
                "compress": True,
                "response_headers_policy_id": headers.id,
            },
            ordered_cache_behaviors=[
                {
                    "path_pattern": ROUTE,
                    "target_origin_id": "api",
                    # No redirect: the token would have been sent in clear already.
                    "viewer_protocol_policy": "https-only",
                    "allowed_methods": EVERY_METHOD,
                    "cached_methods": READING,
                    "cache_policy_id": CACHING_DISABLED,
                    # Host is the origin's own, by which API Gateway finds the API.
                    "origin_request_policy_id": ALL_VIEWER_EXCEPT_HOST_HEADER,
                    "compress": False,  # it would wait for enough to compress
                    "response_headers_policy_id": headers.id,
                }
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=after, additional_secret_outputs=["origins"]),
        )

    def _page_origin(self, bucket: aws.s3.Bucket) -> aws.cloudfront.DistributionOriginArgsDict:
        signing = aws.cloudfront.OriginAccessControl(
            self._name,
            description="CloudFront signs what it asks the page's bucket for.",
            origin_access_control_origin_type="s3",
            signing_behavior="always",
            signing_protocol="sigv4",
            opts=self._child,
        )
        return {
            "origin_id": "page",
            "domain_name": bucket.bucket_regional_domain_name,
            "origin_access_control_id": signing.id,
        }

    def _api_origin(
        self, origin_url: pulumi.Output[str], secret: OriginSecret
    ) -> aws.cloudfront.DistributionOriginArgsDict:
        address = origin_url.apply(urlsplit)
        return {
            "origin_id": "api",
            "domain_name": address.apply(lambda url: url.netloc),
            "origin_path": address.apply(lambda url: url.path),  # the stage; nothing where the host name is its own
            "custom_headers": [{"name": CLOUDFRONT_HEADER, "value": secret.sent}],
            "custom_origin_config": {
                "http_port": 80,  # asked for, and never used
                "https_port": 443,
                "origin_protocol_policy": "https-only",
                "origin_ssl_protocols": ["TLSv1.2"],
                # Between two packets, so at least one heartbeat must fit into it
                # (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html).
                "origin_read_timeout": self._settings.response_timeout_seconds,
            },
        }

    def _headers(self, login_url: pulumi.Output[str]) -> aws.cloudfront.ResponseHeadersPolicy:
        """The security headers of every answer; see `infra.page.security_headers`."""
        # The login pages alone: the page knows of its issuer what it needs, and asks it nothing.
        sent = login_url.apply(lambda url: security_headers([url]))
        custom = ("Cross-Origin-Opener-Policy", "Permissions-Policy")
        return aws.cloudfront.ResponseHeadersPolicy(
            self._name,
            comment=f"The chat page: {self._name}.",
            security_headers_config={
                "content_security_policy": {
                    "content_security_policy": sent["Content-Security-Policy"],
                    "override": True,
                },
                "content_type_options": {"override": True},
                "frame_options": {"frame_option": "DENY", "override": True},
                "referrer_policy": {"referrer_policy": "no-referrer", "override": True},
                "strict_transport_security": {"access_control_max_age_sec": YEAR_SECONDS, "override": True},
            },
            custom_headers_config={
                "items": [{"header": header, "value": sent[header], "override": True} for header in custom]
            },
            opts=self._child,
        )

    def _publish(self, distribution: aws.cloudfront.Distribution) -> None:
        aws.route53.Record(
            f"{self._name}-record",
            zone_id=self._settings.hosted_zone_id,
            name=self._settings.domain,
            type="A",
            aliases=[
                {
                    "name": distribution.domain_name,
                    "zone_id": distribution.hosted_zone_id,
                    "evaluate_target_health": False,  # CloudFront's own addresses have no health to ask for
                }
            ],
            opts=self._child,
        )
