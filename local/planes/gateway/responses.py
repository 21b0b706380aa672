"""The gateway's own error responses, with the status, body and headers of API Gateway's.

Types and defaults: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from local.planes.gateway.mapping import Caller, check_source, header_value, resolve
from local.program.graph import Graph, ProgramError, Resource

DEFAULT_TEMPLATE = '{"message":$context.error.messageString}'
_VARIABLE = re.compile(r"\$\{context\.([A-Za-z0-9_.]+)\}|\$context\.([A-Za-z0-9_.]+)")
_UNKNOWN_VARIABLE = re.compile(r"\$(?!\{?context\.)\{?[A-Za-z][A-Za-z0-9_.]*")


class GatewayError(Exception):
    """A refusal by the gateway.

    Args:
        type_: API Gateway's name for it, such as ``UNAUTHORIZED``.
        message: what the caller reads.
        reason: why, for the access log; never sent to the caller.
        headers: more headers for the response.
    """

    def __init__(
        self, type_: str, message: str | None = None, *, reason: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.type = type_
        self.status, default, self.error_type = DEFAULTS[type_]
        self.message = default if message is None else message
        self.reason = reason or self.message
        self.headers = dict(headers or {})
        super().__init__(self.reason)


# Response type: status, message, x-amzn-ErrorType.
DEFAULTS: Mapping[str, tuple[int, str, str]] = {
    "BAD_REQUEST_BODY": (400, "Invalid request body", "BadRequestException"),
    "BAD_REQUEST_PARAMETERS": (400, "Missing required request parameters", "BadRequestException"),
    "UNAUTHORIZED": (401, "Unauthorized", "UnauthorizedException"),
    "INVALID_API_KEY": (403, "Forbidden", "ForbiddenException"),
    "MISSING_AUTHENTICATION_TOKEN": (403, "Missing Authentication Token", "MissingAuthenticationTokenException"),
    "WAF_FILTERED": (403, "Forbidden", "ForbiddenException"),
    "HEADERS_TOO_LARGE": (431, "Request Header Or Cookie Too Large", "BadRequestException"),
    "REQUEST_TOO_LARGE": (413, "Request Too Long", "RequestTooLargeException"),
    "QUOTA_EXCEEDED": (429, "Limit Exceeded", "LimitExceededException"),
    "THROTTLED": (429, "Too Many Requests", "TooManyRequestsException"),
    "AUTHORIZER_FAILURE": (500, "Internal server error", "InternalServerErrorException"),
    "INTEGRATION_FAILURE": (504, "Network error communicating with endpoint", "InternalServerErrorException"),
    "INTEGRATION_TIMEOUT": (504, "Endpoint request timed out", "InternalServerErrorException"),
}

NOT_CUSTOMISABLE = frozenset({"REQUEST_TOO_LARGE", "HEADERS_TOO_LARGE"})
"""Refused before the API's own gateway responses apply
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html)."""


@dataclasses.dataclass(frozen=True, slots=True)
class GatewayResponse:
    """One declared gateway response: a status, header values and body templates in place of the defaults."""

    status: int | None
    headers: Mapping[str, str]
    templates: Mapping[str, str]

    @classmethod
    def from_resource(cls, resource: Resource) -> GatewayResponse:
        """Read a declared ``apigateway.Response``.

        Raises:
            ProgramError: when it uses a variable that the local run does not have.
        """
        inputs: Mapping[str, Any] = resource.inputs
        parameters: Mapping[str, str] = inputs.get("responseParameters") or {}
        for source in parameters.values():
            check_source(source, resource.name)
        for template in (inputs.get("responseTemplates") or {}).values():
            unknown = _UNKNOWN_VARIABLE.search(template)
            if unknown:
                raise ProgramError(
                    f"{resource.name}: the local run does not fill in {unknown.group()} in a gateway response's "
                    "template; use $context variables."
                )
        return cls(
            status=int(inputs["statusCode"]) if inputs.get("statusCode") else None,
            headers={key.removeprefix("gatewayresponse.header."): value for key, value in parameters.items()},
            templates=inputs.get("responseTemplates") or {},
        )


def declared_responses(graph: Graph) -> dict[str, GatewayResponse]:
    """The gateway responses of the API, by type."""
    return {
        resource.inputs["responseType"]: GatewayResponse.from_resource(resource)
        for resource in graph.all("aws:apigateway/response:Response")
    }


def render(error: GatewayError, declared: Mapping[str, GatewayResponse], caller: Caller) -> Response:
    """The response to a refused request.

    Args:
        error: the refusal.
        declared: the API's gateway responses, by type; ``DEFAULT_4XX`` or ``DEFAULT_5XX`` is used for other types.
        caller: the refused request.
    """
    default_type = "DEFAULT_4XX" if error.status < 500 else "DEFAULT_5XX"
    response = GatewayResponse(None, {}, {})
    if error.type not in NOT_CUSTOMISABLE:
        response = declared.get(error.type) or declared.get(default_type) or response
    values = {
        **caller.context,
        "error.message": error.message,
        "error.messageString": json.dumps(error.message),
        "error.responseType": error.type,
    }
    media_type, template = next(iter(response.templates.items()), ("application/json", DEFAULT_TEMPLATE))
    headers = {"x-amzn-RequestId": values.get("requestId", ""), "x-amzn-ErrorType": error.error_type}
    headers |= error.headers
    mapped = {name: resolve(source, caller) for name, source in response.headers.items()}
    headers |= {name: header_value(value) for name, value in mapped.items() if value is not None}
    return Response(
        substitute(template, values),
        status_code=response.status or error.status,
        media_type=media_type,
        headers=headers,
    )


def substitute(template: str, values: Mapping[str, str]) -> str:
    """Replace every ``$context`` variable in a template; one without a value becomes ``-``, as in an access log."""
    return _VARIABLE.sub(lambda match: values.get(match.group(1) or match.group(2), "-"), template)
