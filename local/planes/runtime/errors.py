"""AgentCore's own error responses: status, body and ``x-amzn-ErrorType``.

Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-http-protocol-contract.html
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

STATUS: Mapping[str, int] = {
    "ValidationException": 400,
    "UnauthorizedException": 401,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "RetryableConflictException": 409,
    "RuntimeClientError": 424,
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "GatewayTimeoutException": 504,  # documented as a status only: .../runtime-troubleshooting.html
}


class RuntimeRefusedError(Exception):
    """AgentCore refuses a call, or its agent failed.

    Args:
        type_: AgentCore's name for it.
        message: what the caller reads.
        headers: more headers for the response.
    """

    def __init__(self, type_: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.type = type_
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The response to the caller."""
        headers = {"x-amzn-ErrorType": self.type, **self.headers}
        return JSONResponse({"message": self.message}, status_code=STATUS[self.type], headers=headers)
