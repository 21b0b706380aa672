"""Which request headers reach the agent.

Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-header-allowlist.html. The SDK has the
same list, but takes half a second to import; a test compares the two.
"""

from __future__ import annotations

import contract

SESSION_HEADER = contract.SESSION_HEADER.lower()

ALWAYS_FORWARDED = frozenset(
    {"accept", "baggage", "content-type", "traceparent", "tracestate", "x-amzn-trace-id", SESSION_HEADER}
)
"""Forwarded even if the allow-list does not name them."""

RESERVED_PREFIXES = ("accept-", "access-control-", "sec-websocket-", "x-amz-", "x-amzn-")
CUSTOM_PREFIX = "x-amzn-bedrock-agentcore-runtime-custom-"
RESTRICTED = frozenset(
    """
    accept cache-control cf-connecting-ip cf-ray clear-site-data connection content-encoding content-language
    content-length content-location content-range content-security-policy content-security-policy-report-only
    content-type cookie cross-origin-embedder-policy cross-origin-opener-policy cross-origin-resource-policy date
    downlink dpr ect etag expect-ct expires feature-policy forwarded from host if-match if-modified-since if-none-match
    if-range if-unmodified-since keep-alive last-modified link location origin permissions-policy pragma
    proxy-authorization proxy-connection public-key-pins public-key-pins-report-only range referer referrer-policy
    retry-after rtt save-data server set-cookie strict-transport-security te trailer transfer-encoding true-client-ip
    upgrade user-agent vary via viewport-width width www-authenticate x-cache x-client-ip x-cluster-client-ip
    x-content-type-options x-csrf-token x-forwarded-for x-forwarded-host x-forwarded-proto x-frame-options
    x-original-host x-original-url x-originating-ip x-real-ip x-requested-with x-rewrite-url x-served-by x-source-ip
    x-xss-protection
    """.split()  # noqa: SIM905 - a list would be eighty lines
)
"""Never forwarded, even if the allow-list names them; nor is a name with a reserved prefix."""


def may_be_forwarded(name: str) -> bool:
    """Whether a header, in lower case, reaches the agent when the allow-list names it."""
    if name.startswith(CUSTOM_PREFIX):
        return True
    return name not in RESTRICTED and not name.startswith(RESERVED_PREFIXES)
