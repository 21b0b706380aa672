"""Rules for a page of its own: what CloudFront does to a request on its way, and whom the API takes for CloudFront."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contract import Kind
from policy.graph import PASSWORD, Declared, Stack, by_itself, nested

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html
ALL_VIEWER_EXCEPT_HOST_HEADER = "b689b0a8-53d0-40ab-baf2-68738e2966ac"

HEARTBEAT_VARIABLE = "AGENT_HEARTBEAT_SECONDS"

MODERN = ("TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025")
"""Security policies without a cipher that is known to be weak
(https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/secure-connections-supported-viewer-protocols-ciphers.html)."""

SHORTEST_SECRET = 32


@by_itself
def passes_on(distribution: Declared, _stack: Stack) -> Iterator[str]:
    """A stream that is stored or compressed arrives late or at once; a token that is left behind is asked for."""
    for behavior in _of_the_api(distribution):
        path = behavior.get("pathPattern") or "everything"
        if behavior.get("cachePolicyId") != CACHING_DISABLED:
            yield (
                f"CloudFront stores answers to {path}, one user's for another to see. Set cachePolicyId to "
                f"{CACHING_DISABLED} (CachingDisabled)."
            )
        if behavior.get("compress"):
            yield f"CloudFront holds answers to {path} to compress them. Set compress to false."
        if behavior.get("originRequestPolicyId") != ALL_VIEWER_EXCEPT_HOST_HEADER:
            yield (
                f"CloudFront keeps headers of requests for {path} to itself, or sends the page's host name along: the "
                "API then finds no token, or no API. Set originRequestPolicyId to "
                f"{ALL_VIEWER_EXCEPT_HOST_HEADER} (AllViewerExceptHostHeader)."
            )
        if "POST" not in (behavior.get("allowedMethods") or ()):
            yield f"CloudFront refuses POST to {path}, so no question can be sent. Put it into allowedMethods."


@by_itself
def hides_no_refusal(distribution: Declared, _stack: Stack) -> Iterator[str]:
    """An error page holds for the whole distribution, the API's answers among them."""
    if distribution.get("customErrorResponses"):
        yield (
            "CloudFront answers with a page where the API refuses, so a client cannot tell an expired token from a "
            "missing file. Remove customErrorResponses."
        )


def waits_for_heartbeats(distribution: Declared, stack: Stack) -> Iterator[str]:
    """The origin's response timeout is the silence that CloudFront bears."""
    beats = [float(runtime.get("environmentVariables", HEARTBEAT_VARIABLE) or 0) for runtime in stack.all(Kind.RUNTIME)]
    for origin in _apis(distribution):
        seconds = nested(origin, "customOriginConfig", "originReadTimeout") or 30
        if any(2 * beat > seconds for beat in beats):
            yield (
                f"CloudFront ends a stream after {seconds:g} s of silence, before a second heartbeat is due. Set "
                "originReadTimeout to twice the heartbeat at least (responseTimeoutSeconds in the settings)."
            )


@by_itself
def speaks_tls(distribution: Declared, _stack: Stack) -> Iterator[str]:
    """Tokens pass here, and the page that handles them."""
    version = distribution.get("viewerCertificate", "minimumProtocolVersion")
    if version not in MODERN:
        yield f"CloudFront takes {version or 'any TLS'} from a browser. Set minimumProtocolVersion to {MODERN[0]}."
    if any(each.get("viewerProtocolPolicy") not in ("https-only", "redirect-to-https") for each in _all(distribution)):
        yield "CloudFront answers over plain HTTP, tokens included. Set viewerProtocolPolicy to https-only."
    if any(nested(each, "customOriginConfig", "originProtocolPolicy") != "https-only" for each in _apis(distribution)):
        yield "CloudFront may call the API in clear. Set originProtocolPolicy to https-only."


def stands_behind(distribution: Declared, stack: Stack) -> Iterator[str]:
    """Behind CloudFront the API no longer sees a viewer's address."""
    if distribution.get("webAclId") not in [acl.get("arn") for acl in stack.all(Kind.WEB_ACL)]:
        yield (
            "No web ACL of this stack stands in front of CloudFront, where alone an address can be blocked or counted. "
            "Set webAclId to the ARN of the stack's own, of scope CLOUDFRONT."
        )


@by_itself
def signs_for_the_bucket(distribution: Declared, _stack: Stack) -> Iterator[str]:
    """Without a signature only a public bucket would answer."""
    for origin in distribution.get("origins") or ():
        if nested(origin, "customOriginConfig") is None and not origin.get("originAccessControlId"):
            yield (
                f"CloudFront asks {origin.get('domainName')} unsigned, which only a public bucket answers. Set "
                "originAccessControlId."
            )


def trusts_cloudfront_alone(acl: Declared, stack: Stack) -> Iterator[str]:
    """A rate rule may exempt only requests with CloudFront's secret header."""
    skipped = [each for rule in acl.get("rules") or () for each in skipped_headers(rule)]
    if not skipped:
        return
    sent = [
        (str(header.get("name")).lower(), header.get("value"))
        for distribution in stack.all(Kind.DISTRIBUTION)
        for origin in _apis(distribution)
        for header in origin.get("customHeaders") or ()
    ]
    made = [each.get("result") for each in stack.all(PASSWORD)]
    for name, value in skipped:
        if value not in made or len(value) < SHORTEST_SECRET:
            yield (
                f"Whoever knows the program can send {name} as it does, and escapes the rate of addresses. Use the "
                f"result of a RandomPassword of {SHORTEST_SECRET} characters at least."
            )
    if not set(skipped) & set(sent):
        yield (
            "The rate of addresses leaves out a header that no distribution of this stack sends, so CloudFront's own "
            "addresses are counted. Set customHeaders of the origin to a value that the rule names."
        )


def skipped_headers(rule: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The header and value of each kind of request that a rate-based rule leaves out; none where it leaves out others.

    The one form that is known: not (one of) headers that are exactly a value.
    """
    scope = nested(rule, "statement", "rateBasedStatement", "scopeDownStatement")
    left_out = nested(scope, "notStatement", "statement")
    parts = nested(left_out, "orStatement", "statements") or ([left_out] if left_out else [])
    matches = [nested(part, "byteMatchStatement") for part in parts]
    if not all(nested(match, "positionalConstraint") == "EXACTLY" for match in matches):
        return []
    names = [nested(match, "fieldToMatch", "singleHeader", "name") for match in matches]
    if not all(names):
        return []
    return [(str(name).lower(), match["searchString"]) for name, match in zip(names, matches, strict=True)]


def _apis(distribution: Declared) -> list[Mapping[str, Any]]:
    """The origins that are no buckets."""
    return [each for each in distribution.get("origins") or () if nested(each, "customOriginConfig") is not None]


def _all(distribution: Declared) -> list[Mapping[str, Any]]:
    default = distribution.get("defaultCacheBehavior")
    return [*([default] if default else []), *(distribution.get("orderedCacheBehaviors") or ())]


def _of_the_api(distribution: Declared) -> list[Mapping[str, Any]]:
    names = [each.get("originId") for each in _apis(distribution)]
    return [each for each in _all(distribution) if each.get("targetOriginId") in names]
