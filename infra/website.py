"""The chat page at its own domain: CloudFront in front of a private bucket and of the API.

Page and API have one origin, so the browser sends no CORS preflight and needs no CORS headers. The cache behaviour for
``/invocations`` neither caches nor compresses, so CloudFront passes a stream on as it arrives.
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
"""CloudFront allows POST only together with all of these; the API refuses methods that it does not declare."""

READING = ["GET", "HEAD"]

YEAR_SECONDS = 31_536_000


class Website(Component):
    """The page, its distribution and its domain.

    Pulumi type: ``agentstream:infra:Website``. Produces ``cloudfront.Distribution``, ``OriginAccessControl`` and
    ``ResponseHeadersPolicy``, a private ``s3.Bucket`` with what belongs to it and a ``BucketObjectv2`` for each file,
    an `EdgeFirewall`; with a hosted zone also ``route53.Record``; without a certificate also ``acm.Certificate`` and
    ``CertificateValidation``. Leaves tokens, throttle and everything but addresses to the API behind it.

    It has no access log of its own: requests to the agent are in the API's log, requests that are refused here in the
    web ACL's (all requests with ``firewall.logPassedRequests``), and the others read files that are the same for
    everyone.
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
        page_settings: Mapping[str, str | int],
        firewall: FirewallSettings,
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; a protected stack keeps the bucket with its objects, and the web ACL's log.

        Args:
            stack: what all components share.
            settings: the section ``website``.
            identity: the user pool and its login pages.
            api: the API behind ``/invocations``.
            secret: the secret that CloudFront sends to the API, by which the stage's web ACL recognises its requests.
            page_settings: more settings of the page, by their names in `PageConfig` of ``web/src/config.ts``.
            firewall: the settings of the address rules.
            after: resources that must know the secret before CloudFront sends it.
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
        bucket.set_policy(
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
        config = page_config(outputs, settings.url, inspector=settings.inspector, **page_settings)
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
            # The API has IPv4 only, and address lists and rates need addresses that a caller cannot change at will, as
            # with IPv6.
            is_ipv6_enabled=False,
            price_class=settings.price_class,
            web_acl_id=web_acl.web_acl_arn,
            viewer_certificate={
                "acm_certificate_arn": certificate,
                "ssl_support_method": "sni-only",
                "minimum_protocol_version": settings.security_policy,
            },
            # A rule on countries belongs in the web ACL, which logs its refusals.
            restrictions={"geo_restriction": {"restriction_type": "none"}},
            # No custom_error_responses: an error page instead of the API's 401, 403 or 429 would hide the reason from
            # the caller, and one instead of a missing file would be cached as that file.
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
                    # Host must be the origin's own name, by which API Gateway finds the API.
                    "origin_request_policy_id": ALL_VIEWER_EXCEPT_HOST_HEADER,
                    "compress": False,  # compression would buffer the stream
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
            "origin_path": address.apply(lambda url: url.path),  # the stage; empty with a custom domain
            "custom_headers": [{"name": CLOUDFRONT_HEADER, "value": secret.sent}],
            "custom_origin_config": {
                "http_port": 80,  # required, and never used
                "https_port": 443,
                "origin_protocol_policy": "https-only",
                "origin_ssl_protocols": ["TLSv1.2"],
                # The longest time between two packets, so it must be longer than the time between heartbeats
                # (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html).
                "origin_read_timeout": self._settings.response_timeout_seconds,
            },
        }

    def _headers(self, login_url: pulumi.Output[str]) -> aws.cloudfront.ResponseHeadersPolicy:
        """The security headers of every response; see `infra.page.security_headers`."""
        # The login pages only: the page calls nothing else on another origin.
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
                    "evaluate_target_health": False,  # CloudFront's addresses have no health check
                }
            ],
            opts=self._child,
        )
