"""The headers and parameters that the gateway maps to the runtime. Quoted values are literals; they cannot be joined.

The session header decides which microVM answers. AWS documents for proxy integrations that a claim of the token and a
member of the body can be mapped; this is unconfirmed on AWS, and so is that a mapped header replaces the caller's own.
So the agent compares the session with the token as well (agent/sessions.py).

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-parameter-mapping-sources.html
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from contract import ORIGIN_HEADER, SESSION_HEADER
from infra.runtime import Runtime
from infra.settings.api import SessionFrom

SESSION_SOURCES: Mapping[SessionFrom, str] = {
    "user": "context.authorizer.claims.sub",
    "thread": "method.request.body.threadId",
    "header": f"method.request.header.{SESSION_HEADER}",
}
"""The source of the session id, for each value of `api.sessionFrom`."""


def method_parameters(session_from: SessionFrom) -> dict[str, pulumi.Input[bool]]:
    """The headers that the integration maps from, which a method must declare; True would make one required."""
    headers = ["Authorization"] + ([SESSION_HEADER] if session_from == "header" else [])
    return {f"method.request.header.{header}": False for header in headers}


def integration_parameters(runtime: Runtime, session_from: SessionFrom) -> dict[str, pulumi.Input[str]]:
    """The token, the session, the runtime's endpoint and account, and the origin secret when there is one."""
    parameters: dict[str, pulumi.Input[str]] = {
        "integration.request.header.Authorization": "method.request.header.Authorization",
        f"integration.request.header.{SESSION_HEADER}": SESSION_SOURCES[session_from],
        "integration.request.querystring.qualifier": pulumi.Output.concat("'", runtime.qualifier, "'"),
        "integration.request.querystring.accountId": pulumi.Output.concat("'", runtime.account_id, "'"),
    }
    if runtime.origin_secret is not None:
        parameters[f"integration.request.header.{ORIGIN_HEADER}"] = pulumi.Output.concat(
            "'", runtime.origin_secret, "'"
        )
    return parameters
