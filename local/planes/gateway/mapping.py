"""Makes the backend's request from the caller's: the headers that the gateway drops, adds and maps.

Known behaviour of headers: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from starlette.datastructures import Headers as RequestHeaders
from starlette.datastructures import QueryParams

from local.planes.upstream import Headers
from local.program.graph import ProgramError

Query = list[tuple[str, str]]

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
"""The gateway sets its own ``Host`` and ``Content-Length``, and drops the rest."""

DROPPED_FROM_RESPONSE = frozenset(
    {
        "expect",
        "host",
        "keep-alive",  # of the connection to the backend, whose ``Connection`` header is renamed
        "proxy-authenticate",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-amzn-requestid",  # replaced by the gateway's own, as is the next
        "x-amzn-trace-id",
    }
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

CONTEXT = frozenset(
    {
        "accountId",
        "apiId",
        "domainName",
        "domainPrefix",
        "error.message",
        "error.responseType",
        "error.validationErrorString",
        "extendedRequestId",
        "httpMethod",
        "identity.apiKeyId",
        "identity.sourceIp",
        "identity.userAgent",
        "path",
        "protocol",
        "requestId",
        "requestTime",
        "requestTimeEpoch",
        "resourcePath",
        "stage",
        "xrayTraceId",
    }
)
"""The ``context`` variables that a mapping may name here, and every claim of the caller's token
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html)."""


BODY = "method.request.body"
"""The mapping source for the whole body; followed by ``.name``, for a member of its JSON."""


class Caller(NamedTuple):
    """The sources of mappings: the caller's request, and the values of ``context`` variables."""

    headers: RequestHeaders
    query: QueryParams
    context: Mapping[str, str]
    body: bytes = b""


def check_source(source: str, owner: str, *, declared: Collection[str] | None = None) -> None:
    """Check that `resolve` knows a mapping's source.

    Args:
        source: as declared.
        owner: the name of the resource that declares it.
        declared: the method's ``requestParameters``, which a mapping may use; None where none need be declared.

    Raises:
        ProgramError: when it does not.
    """
    if _literal(source) is not None:
        return
    if source.startswith(("method.request.header.", "method.request.querystring.")):
        known = {name.lower() for name in declared} if declared is not None else {source.lower()}
        if source.lower() not in known:
            raise ProgramError(
                f"{owner} maps from {source}, which API Gateway maps only when the method declares it: add it to the "
                "method's request parameters."
            )
        return
    # Only an integration's request has a body to map from, and only that declares headers (``declared``).
    if declared is not None and re.fullmatch(rf"{BODY}(\.\w+)*", source):
        return
    variable = source.removeprefix("context.")
    if variable == source or not (variable in CONTEXT or variable.startswith("authorizer.claims.")):
        raise ProgramError(
            f"{owner} maps from {source}, which the local run does not support: use a quoted literal, a header, a "
            "query parameter, a member of the body such as method.request.body.threadId, or a context variable that "
            "docs/local-vs-aws.md names."
        )


def resolve(source: str, caller: Caller) -> str | None:
    """The value of a mapping's source; None when the caller did not send it.

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-parameter-mapping-sources.html
    """
    literal = _literal(source)
    if literal is not None:
        return literal
    if source.startswith("method.request.header."):
        return caller.headers.get(source.removeprefix("method.request.header."))
    if source.startswith("method.request.querystring."):
        return caller.query.get(source.removeprefix("method.request.querystring."))
    if source.startswith(BODY):
        return _from_body(caller.body, source.removeprefix(BODY).split(".")[1:])
    return caller.context.get(source.removeprefix("context."))


def _from_body(body: bytes, path: list[str]) -> str | None:
    """The body, or a member of it: a string as it is, another value as JSON; None without such a member."""
    if not path:
        return body.decode("utf-8", "replace")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str | None) else json.dumps(value)


def header_value(value: str) -> str:
    """A value that a response header can hold: without line breaks, and as UTF-8 bytes if it is not Latin-1."""
    printable = "".join(character for character in value if character >= " " or character == "\t")
    try:
        printable.encode("latin-1")
    except UnicodeEncodeError:
        return printable.encode("utf-8", "replace").decode("latin-1")
    return printable


def _literal(source: str) -> str | None:
    return source[1:-1] if len(source) >= 2 and source[0] == source[-1] == "'" else None


def backend_request(caller: Caller, parameters: Mapping[str, str]) -> tuple[Headers, Query]:
    """The headers and the query of the request to the backend.

    A mapped header replaces those of the same name that the caller sent. AWS's documentation does not say so;
    docs/local-vs-aws.md lists it as unconfirmed.
    """
    headers, context = caller.headers, caller.context
    forwarded = [*headers.getlist("x-forwarded-for"), context["identity.sourceIp"]]
    set_headers = {
        "x-forwarded-for": ", ".join(filter(None, forwarded)),
        "x-forwarded-proto": "https",
        "x-forwarded-port": "443",
        "x-amzn-trace-id": context["xrayTraceId"],
        "x-amzn-apigateway-api-id": context["apiId"],
    }
    set_query: dict[str, str] = {}
    for target, source in parameters.items():
        value = resolve(source, caller)
        if value is None:
            continue
        if target.startswith("integration.request.header."):
            set_headers[target.removeprefix("integration.request.header.").lower()] = value
        else:
            set_query[target.removeprefix("integration.request.querystring.")] = value
    sent = [pair for pair in headers.items() if pair[0] not in DROPPED_FROM_REQUEST and pair[0] not in set_headers]
    query = [pair for pair in caller.query.multi_items() if pair[0] not in set_query]
    return [*sent, *set_headers.items()], [*query, *set_query.items()]


def caller_headers(upstream: Headers, context: Mapping[str, str]) -> Headers:
    """The headers of the response to the caller: the backend's, without those that the gateway drops or renames."""
    passed: Headers = []
    for name, value in upstream:
        lower = name.lower()
        if lower in DROPPED_FROM_RESPONSE:
            continue
        passed.append((f"x-amzn-remapped-{lower}" if lower in REMAPPED_IN_RESPONSE else lower, value))
    if not any(name == "content-type" for name, _ in passed):
        passed.append(("content-type", "application/json"))
    return [*passed, ("x-amzn-requestid", context["requestId"]), ("x-amzn-trace-id", context["xrayTraceId"])]
