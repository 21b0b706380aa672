"""From the caller's request to the backend's: what the gateway drops, adds and maps.

Known behaviour of headers: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers as RequestHeaders

from local.upstream import Headers

DROPPED_FROM_REQUEST = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-md5",
        "expect",
        "host",
        "keep-alive",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "www-authenticate",
    }
)
"""``Host`` is overwritten, and ``Content-Length`` computed anew; the rest the gateway drops."""

DROPPED_FROM_RESPONSE = frozenset(
    {"expect", "host", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "via"}
)

REMAPPED_IN_RESPONSE = frozenset(
    {
        "authorization",
        "connection",
        "content-md5",
        "date",
        "max-forwards",
        "server",
        "user-agent",
        "www-authenticate",
    }
)


def resolve(source: str, headers: RequestHeaders, query: Mapping[str, str], context: Mapping[str, str]) -> str | None:
    """The value of a mapping's source; None when the caller did not send it.

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-parameter-mapping-sources.html
    """
    if len(source) >= 2 and source[0] == source[-1] == "'":
        return source[1:-1]
    if source.startswith("method.request.header."):
        return headers.get(source.removeprefix("method.request.header."))
    if source.startswith("method.request.querystring."):
        return query.get(source.removeprefix("method.request.querystring."))
    if source.startswith("context."):
        return context.get(source.removeprefix("context."))
    return None


def backend_request(
    headers: RequestHeaders, query: Mapping[str, str], parameters: Mapping[str, str], context: Mapping[str, str]
) -> tuple[Headers, dict[str, str]]:
    """The headers and the query of the request to the backend.

    A mapped header stands in place of one of the same name that the caller sent. AWS's documentation does not say
    so; docs/local-vs-aws.md lists it among what is not confirmed.
    """
    sent = {name: value for name, value in headers.items() if name not in DROPPED_FROM_REQUEST}
    sent["x-forwarded-for"] = ", ".join(filter(None, [headers.get("x-forwarded-for"), context["identity.sourceIp"]]))
    sent["x-forwarded-proto"] = "https"
    sent["x-forwarded-port"] = "443"
    sent["x-amzn-trace-id"] = context["xrayTraceId"]
    sent["x-amzn-apigateway-api-id"] = context["apiId"]
    asked = dict(query)
    for target, source in parameters.items():
        value = resolve(source, headers, query, context)
        if value is None:
            continue
        if target.startswith("integration.request.header."):
            sent[target.removeprefix("integration.request.header.").lower()] = value
        elif target.startswith("integration.request.querystring."):
            asked[target.removeprefix("integration.request.querystring.")] = value
    return list(sent.items()), asked


def caller_headers(upstream: Headers, context: Mapping[str, str]) -> Headers:
    """The headers of the answer to the caller: the backend's, less what the gateway drops or renames."""
    passed: Headers = []
    for name, value in upstream:
        lower = name.lower()
        if lower in DROPPED_FROM_RESPONSE:
            continue
        passed.append((f"x-amzn-remapped-{lower}" if lower in REMAPPED_IN_RESPONSE else lower, value))
    if not any(name == "content-type" for name, _ in passed):
        passed.append(("content-type", "application/json"))
    return [*passed, ("x-amzn-requestid", context["requestId"]), ("x-amzn-trace-id", context["xrayTraceId"])]
