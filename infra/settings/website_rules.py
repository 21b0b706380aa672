"""Contradictions between the section ``website`` and the others."""

from __future__ import annotations

from collections.abc import Iterator

from contract import IDLE_LIMIT_SECONDS
from infra.settings.base import Contradiction
from infra.settings.regions import is_government
from infra.settings.stack import StackSettings

ONLY_TLS_1_3 = "SecurityPolicy_TLS13_1_3_"
"""The prefix of the API's policies that accept TLS 1.3 only. CloudFront offers an origin only ciphers of TLS 1.2
(…/DeveloperGuide/secure-connections-supported-ciphers-cloudfront-to-origin.html)."""

HEARTBEATS = 2
"""CloudFront's timeout must be at least this many heartbeats long, so that a late one does not end the stream."""


def website_contradictions(config: StackSettings) -> Iterator[Contradiction]:
    """The contradictions of a stack with the section ``website``."""
    website, api = config.website, config.api
    if website is None:
        return
    if is_government(config.region):
        yield Contradiction(
            ("website.domain", "region"),
            f"the stack is in {config.region}, and CloudFront is not part of AWS GovCloud",
            "remove website, and serve the page by other means",
        )
    if api.endpoint_type != "REGIONAL":
        edge = f"an EDGE API has a CloudFront of its own, which cuts silence after {IDLE_LIMIT_SECONDS['EDGE']} s"
        yield Contradiction(
            ("api.endpointType", "website.domain"),
            edge if api.endpoint_type == "EDGE" else "CloudFront cannot reach a PRIVATE API",
            "write REGIONAL, or remove website",
        )
    if api.security_policy.startswith(ONLY_TLS_1_3):
        yield Contradiction(
            ("api.securityPolicy", "website.domain"),
            "CloudFront calls the API with TLS 1.2",
            "write SecurityPolicy_TLS13_1_2_2021_06, which accepts both",
        )
    if api.domain is not None and api.domain.name == website.domain:
        yield Contradiction(
            ("website.domain", "api.domain.name"),
            "the API has that name, and a name can have one target only",
            "write a name of its own for the page",
        )
    if website.url not in config.identity.callback_urls:
        yield Contradiction(
            ("identity.callbackUrls", "website.domain"),
            f"the login page would not send a browser back to {website.url}",
            f"add {website.url}",
        )
    if api.teams:
        yield Contradiction(
            ("api.teams", "website.domain"),
            "with teams every call needs an API key, and a page cannot keep one",
            "remove teams or website",
        )
    longest = website.response_timeout_seconds / HEARTBEATS
    if api.heartbeat_seconds > longest:
        yield Contradiction(
            ("api.heartbeatSeconds", "website.responseTimeoutSeconds"),
            f"CloudFront ends a stream after {website.response_timeout_seconds} s of silence",
            f"write {longest:g} or less",
        )
