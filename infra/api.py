"""The front door: a REST API whose one method streams.

*STREAM* is a property of the integration, not of the method or the stage: the gateway passes the backend's bytes on
as they come, once the backend has sent all of its headers
(https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html). With it come limits: no
response templates, no cache, no gateway compression.
"""

from __future__ import annotations

import hashlib
import json

import pulumi
import pulumi_aws as aws

from infra.config import ApiSettings
from infra.identity import Identity
from infra.runtime import ORIGIN_HEADER, QUALIFIER, SESSION_HEADER, Runtime

ALLOWED_HEADERS = f"Authorization,Content-Type,{SESSION_HEADER}"


class StreamingApi(pulumi.ComponentResource):
    """A REST API with ``POST /invocations``, behind the user pool, streaming from the runtime.

    Pulumi type: ``agentstream:infra:StreamingApi``. Produces ``apigateway.RestApi``, ``Authorizer``, ``Resource``,
    the ``POST`` and ``OPTIONS`` methods with their integrations and responses, gateway ``Response``\\ s,
    ``Deployment``, ``Stage`` and ``MethodSettings``. Leaves the web ACL to `Firewall`.
    """

    rest_api_id: pulumi.Output[str]
    stage_arn: pulumi.Output[str]
    url: pulumi.Output[str]
    """The stage's root, without a trailing slash."""
    invoke_url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: ApiSettings,
        *,
        identity: Identity,
        runtime: Runtime,
        stage_name: str,
        tags: dict[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        self._parts: list[pulumi.Resource] = []
        self._inputs: list[object] = []
        remembering = pulumi.ResourceOptions(transformations=[self._remember])
        super().__init__("agentstream:infra:StreamingApi", name, None, pulumi.ResourceOptions.merge(opts, remembering))
        child = pulumi.ResourceOptions(parent=self)

        api = aws.apigateway.RestApi(
            f"{name}-api",
            endpoint_configuration={"types": settings.endpoint_type},
            tags=tags,
            opts=child,
        )
        authorizer = aws.apigateway.Authorizer(
            f"{name}-authorizer",
            rest_api=api.id,
            type="COGNITO_USER_POOLS",
            provider_arns=[identity.user_pool_arn],
            identity_source="method.request.header.Authorization",
            # The authorizer takes tokens of any client of the pool unless `aud` is pinned; an access token has no
            # `aud` and fails here
            # (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-enable-cognito-user-pool.html).
            identity_validation_expression=pulumi.Output.concat("^", identity.client_id, "$"),
            opts=child,
        )
        invocations = aws.apigateway.Resource(
            f"{name}-invocations",
            rest_api=api.id,
            parent_id=api.root_resource_id,
            path_part="invocations",
            opts=child,
        )
        post = aws.apigateway.Method(
            f"{name}-post",
            rest_api=api.id,
            resource_id=invocations.id,
            http_method="POST",
            # Without scopes the authorizer takes the token for an ID token; with them, for an access token.
            authorization="COGNITO_USER_POOLS",
            authorizer_id=authorizer.id,
            # A header must be declared on the method before the integration can map it. True would make it required.
            request_parameters={
                "method.request.header.Authorization": False,
                f"method.request.header.{SESSION_HEADER}": False,
            },
            opts=child,
        )
        aws.apigateway.Integration(
            f"{name}-stream",
            rest_api=api.id,
            resource_id=invocations.id,
            http_method=post.http_method,
            type="HTTP_PROXY",
            integration_http_method="POST",
            uri=runtime.url,
            response_transfer_mode=settings.response_transfer_mode,
            # The default stays 29 s with STREAM; 900 s needs to be asked for, and no quota increase.
            timeout_milliseconds=settings.timeout_seconds * 1000,
            request_parameters=_integration_parameters(runtime),
            opts=child,
        )
        if settings.allowed_origin:
            _allow_browsers(name, api, invocations, settings.allowed_origin, child)

        # A stage serves a snapshot. It is taken anew when any input of any part declared so far changes; ids alone
        # would not do, for they survive an update in place.
        deployment = aws.apigateway.Deployment(
            f"{name}-deployment",
            rest_api=api.id,
            triggers={"inputs": pulumi.Output.json_dumps(self._inputs).apply(_digest)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._parts),
        )
        stage = aws.apigateway.Stage(
            f"{name}-stage",
            rest_api=api.id,
            deployment=deployment.id,
            stage_name=stage_name,
            tags=tags,
            opts=child,
        )
        aws.apigateway.MethodSettings(
            f"{name}-throttle",
            rest_api=api.id,
            stage_name=stage.stage_name,
            method_path="*/*",
            settings={
                "throttling_rate_limit": settings.throttle_rate,
                "throttling_burst_limit": settings.throttle_burst,
                "metrics_enabled": True,
                "data_trace_enabled": False,  # a data trace would write prompts and the origin secret to the log
            },
            opts=child,
        )

        self.rest_api_id = api.id
        self.stage_arn = stage.arn
        self.url = stage.invoke_url
        self.invoke_url = pulumi.Output.concat(stage.invoke_url, "/invocations")
        self.register_outputs({"restApiId": api.id, "invokeUrl": self.invoke_url})

    def _remember(self, args: pulumi.ResourceTransformationArgs) -> None:
        """Note every part of the API as it is declared, so that no part can be left out of the triggers."""
        if args.resource is not self:
            self._parts.append(args.resource)
            given = {key: value for key, value in args.props.items() if value is not None}
            self._inputs.append([args.name, given])


def _integration_parameters(runtime: Runtime) -> dict[str, pulumi.Input[str]]:
    """What the gateway adds to the request on its way to the runtime. Quoted values are literals.

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-parameter-mapping-sources.html
    """
    parameters: dict[str, pulumi.Input[str]] = {
        "integration.request.header.Authorization": "method.request.header.Authorization",
        f"integration.request.header.{SESSION_HEADER}": f"method.request.header.{SESSION_HEADER}",
        "integration.request.querystring.qualifier": f"'{QUALIFIER}'",
        "integration.request.querystring.accountId": pulumi.Output.concat("'", runtime.account_id, "'"),
    }
    if runtime.origin_secret is not None:
        parameters[f"integration.request.header.{ORIGIN_HEADER}"] = pulumi.Output.concat(
            "'", runtime.origin_secret, "'"
        )
    return parameters


def _allow_browsers(
    name: str,
    api: aws.apigateway.RestApi,
    resource: aws.apigateway.Resource,
    origin: str,
    opts: pulumi.ResourceOptions,
) -> None:
    """Answer the preflight here, and let a page read the gateway's own refusals.

    The agent puts the header on its streamed answer itself: a proxy integration cannot
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-cors.html).
    """
    headers = {
        "Access-Control-Allow-Origin": f"'{origin}'",
        "Access-Control-Allow-Headers": f"'{ALLOWED_HEADERS}'",
        "Access-Control-Allow-Methods": "'OPTIONS,POST'",
        "Access-Control-Max-Age": "'3600'",
    }
    options = aws.apigateway.Method(
        f"{name}-preflight",
        rest_api=api.id,
        resource_id=resource.id,
        http_method="OPTIONS",
        authorization="NONE",  # a browser sends no token with a preflight
        opts=opts,
    )
    answer = aws.apigateway.Integration(
        f"{name}-preflight-answer",
        rest_api=api.id,
        resource_id=resource.id,
        http_method=options.http_method,
        type="MOCK",
        request_templates={"application/json": json.dumps({"statusCode": 204})},
        opts=opts,
    )
    promised = aws.apigateway.MethodResponse(
        f"{name}-preflight-response",
        rest_api=api.id,
        resource_id=resource.id,
        http_method=options.http_method,
        status_code="204",
        response_parameters={f"method.response.header.{header}": True for header in headers},
        opts=opts,
    )
    aws.apigateway.IntegrationResponse(
        f"{name}-preflight-headers",
        rest_api=api.id,
        resource_id=resource.id,
        http_method=options.http_method,
        status_code=promised.status_code,
        response_parameters={f"method.response.header.{header}": value for header, value in headers.items()},
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[answer])),
    )
    for kind in ("DEFAULT_4XX", "DEFAULT_5XX"):
        aws.apigateway.Response(
            f"{name}-{kind.lower().replace('_', '-')}",
            rest_api_id=api.id,
            response_type=kind,
            response_parameters={"gatewayresponse.header.Access-Control-Allow-Origin": f"'{origin}'"},
            opts=opts,
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
