"""What the gateway adds to a request on its way to the runtime. Quoted values are literals; there is no concatenation.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-parameter-mapping-sources.html
"""

from __future__ import annotations

import pulumi

from infra.origin import ORIGIN_HEADER
from infra.runtime import SESSION_HEADER, Runtime

# A header must be declared on the method before the integration can map it. True would make it required.
METHOD_PARAMETERS: dict[str, pulumi.Input[bool]] = {
    "method.request.header.Authorization": False,
    f"method.request.header.{SESSION_HEADER}": False,
}


def integration_parameters(runtime: Runtime) -> dict[str, pulumi.Input[str]]:
    """The token, the session, the runtime's endpoint and account, and the origin secret when there is one."""
    parameters: dict[str, pulumi.Input[str]] = {
        "integration.request.header.Authorization": "method.request.header.Authorization",
        f"integration.request.header.{SESSION_HEADER}": f"method.request.header.{SESSION_HEADER}",
        "integration.request.querystring.qualifier": pulumi.Output.concat("'", runtime.qualifier, "'"),
        "integration.request.querystring.accountId": pulumi.Output.concat("'", runtime.account_id, "'"),
    }
    if runtime.origin_secret is not None:
        parameters[f"integration.request.header.{ORIGIN_HEADER}"] = pulumi.Output.concat(
            "'", runtime.origin_secret, "'"
        )
    return parameters
