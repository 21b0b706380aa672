"""Rules for CloudFront: how it passes requests on, and how the API recognises its requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contract import Kind
from policy.graph import PASSWORD, Declared, Stack, nested, single_resource

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html
ALL_VIEWER_EXCEPT_HOST_HEADER = "b689b0a8-53d0-40ab-baf2-68738e2966ac"

HEARTBEAT_VARIABLE = "AGENT_HEARTBEAT_SECONDS"

MODERN = ("TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025")
"""Security policies without a cipher that is known to be weak
(https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/secure-connections-supported-viewer-protocols-ciphers.html)."""

SHORTEST_SECRET = 32


@single_resource
def passes_on(distribution: Declared, _stack: Stack) -> Iterator[str]:
    """CloudFront must not cache or compress a stream, and must pass on the token."""
    for behavior in _of_the_api(distribution):
        path = behavior.get("pathPattern") or "everything"
        if behavior.get("cachePolicyId") != CACHING_DISABLED:
            yield (
                f"CloudFront caches answers to {path}, so one user may get another's. Set cachePolicyId to "
                f"{CACHING_DISABLED} (CachingDisabled)."
            )
        if behavior.get("compress"):
            yield f"CloudFront buffers answers to {path} to compress them. Set compress to false."
        if behavior.get("originRequestPolicyId") != ALL_VIEWER_EXCEPT_HOST_HEADER:
            yield (
                f"CloudFront drops headers of requests for {path}, or sends the page's host name: API Gateway then "
                "finds no token, or no API. Set originRequestPolicyId to "
                f"{ALL_VIEWER_EXCEPT_HOST_HEADER} (AllViewerExceptHostHeader)."
            )
        if "POST" not in (behavior.get("allowedMethods") or ()):
            yield f"CloudFront refuses POST to {path}, so no question can be sent. Add it to allowedMethods."


@single_resource
def hides_no_refusal(distribution: Declared, _stack: Stack) -> Iterator[str]:
    """An error page applies to the whole distribution, so also to the API's responses."""
    if distribution.get("customErrorResponses"):
        yield (
            "CloudFront replaces the API's error responses by a page, so a client cannot tell an expired token from a "
            "missing file. Remove customErrorResponses."
        )


def waits_for_heartbeats(distribution: Declared, stack: Stack) -> Iterator[str]:
    """The origin's response timeout is the longest silence before CloudFront ends a stream."""
    beats = [float(runtime.get("environmentVariables", HEARTBEAT_VARIABLE) or 0) for runtime in stack.all(Kind.RUNTIME)]
    for origin in _apis(distribution):
        seconds = nested(origin, "customOriginConfig", "originReadTimeout") or 30
        if any(2 * beat > seconds for beat in beats):
            yield (
                f"CloudFront ends a stream after {seconds:g} s of silence, before a second heartbeat is due. Set "
                "originReadTimeout to at least twice the heartbeat (responseTimeoutSeconds in the settings)."
            )


@single_resource
def speaks_tls(distribution: Declared, _stack: Stack) -> Iterator[str]:
    """Tokens, and the page that handles them, must be encrypted in transit."""
    version = distribution.get("viewerCertificate", "minimumProtocolVersion")
    if version not in MODERN:
        yield f"CloudFront accepts {version or 'any TLS'} from a browser. Set minimumProtocolVersion to {MODERN[0]}."
    if any(each.get("viewerProtocolPolicy") not in ("https-only", "redirect-to-https") for each in _all(distribution)):
        yield "CloudFront serves plain HTTP, so tokens may be sent unencrypted. Set viewerProtocolPolicy to https-only."
    if any(nested(each, "customOriginConfig", "originProtocolPolicy") != "https-only" for each in _apis(distribution)):
        yield "CloudFront may call the API without encryption. Set originProtocolPolicy to https-only."


def has_web_acl(distribution: Declared, stack: Stack) -> Iterator[str]:
    """Behind CloudFront the API no longer sees a viewer's address."""
    if distribution.get("webAclId") not in [acl.get("arn") for acl in stack.all(Kind.WEB_ACL)]:
        yield (
            "CloudFront has no web ACL of this stack, and only there can an address be blocked or counted. Set "
            "webAclId to the ARN of the stack's own web ACL of scope CLOUDFRONT."
        )


@single_resource
def signs_for_the_bucket(distribution: Declared, _stack: Stack) -> Iterator[str]:
    """Without a signature CloudFront can read only a public bucket."""
    for origin in distribution.get("origins") or ():
        if nested(origin, "customOriginConfig") is None and not origin.get("originAccessControlId"):
            yield (
                f"CloudFront reads {origin.get('domainName')} without a signature, which only a public bucket allows. "
                "Set originAccessControlId."
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
                f"Anyone who knows the program can send {name} as CloudFront does, and bypass the rate limit of "
                f"addresses. Use the result of a RandomPassword of at least {SHORTEST_SECRET} characters."
            )
    if not set(skipped) & set(sent):
        yield (
            "The rate limit of addresses skips requests with a header that no distribution of this stack sends, so "
            "CloudFront's own addresses are counted. Set customHeaders of the origin to a value that the rule names."
        )


def skipped_headers(rule: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The headers and values whose requests a rate-based rule skips; none if its scope-down statement has another form.

    The only known form is "not" over one or several headers that equal a value.
    """
    scope = nested(rule, "statement", "rateBasedStatement", "scopeDownStatement")
    skipped = nested(scope, "notStatement", "statement")
    parts = nested(skipped, "orStatement", "statements") or ([skipped] if skipped else [])
    matches = [nested(part, "byteMatchStatement") for part in parts]
    if not all(nested(match, "positionalConstraint") == "EXACTLY" for match in matches):
        return []
    names = [nested(match, "fieldToMatch", "singleHeader", "name") for match in matches]
    if not all(names):
        return []
    return [(str(name).lower(), match["searchString"]) for name, match in zip(names, matches, strict=True)]


def _apis(distribution: Declared) -> list[Mapping[str, Any]]:
    """The origins that are not buckets."""
    return [each for each in distribution.get("origins") or () if nested(each, "customOriginConfig") is not None]


def _all(distribution: Declared) -> list[Mapping[str, Any]]:
    default = distribution.get("defaultCacheBehavior")
    return [*([default] if default else []), *(distribution.get("orderedCacheBehaviors") or ())]


def _of_the_api(distribution: Declared) -> list[Mapping[str, Any]]:
    names = [each.get("originId") for each in _apis(distribution)]
    return [each for each in _all(distribution) if each.get("targetOriginId") in names]
