"""The front door: a REST API whose one method streams.

*STREAM* is a property of the integration, not of the method or the stage: the gateway passes the backend's bytes on
as they come, once the backend has sent all of its headers
(https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html). With it come limits: no
response templates, no cache, no gateway compression.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from contract import ROUTE, Kind
from infra import access_log
from infra.component import Component, StackContext
from infra.domain import ApiDomain
from infra.endpoint_type import endpoint_type_hook
from infra.gateway_responses import gateway_responses
from infra.header_mapping import integration_parameters, method_parameters
from infra.identity import Identity
from infra.preflight import preflight
from infra.private_edge import PrivateEdge
from infra.request_model import EVERY_CONTENT_TYPE, request_model
from infra.runtime import Runtime
from infra.settings.api import ApiSettings
from infra.usage_plans import usage_plans

PATH = ROUTE.removeprefix("/")

NOT_IN_SNAPSHOT = (Kind.DOMAIN_NAME, "aws:apigateway/basePathMapping:BasePathMapping")
"""Resources of API Gateway that are not part of a stage's snapshot."""


class StreamingApi(Component):
    """A REST API with ``POST /invocations``, behind the user pool, streaming from the runtime.

    Pulumi type: ``agentstream:infra:StreamingApi``. Produces ``apigateway.RestApi``, ``Authorizer``, ``Resource``,
    ``Model``, ``RequestValidator``, the ``POST`` and ``OPTIONS`` methods with their integrations and responses, gateway
    ``Response``\\ s, ``Deployment``, ``Stage`` with its ``cloudwatch.LogGroup``, ``MethodSettings``, and what the
    settings ask for: usage plans and keys, an `ApiDomain`, the account's log role. Leaves the web ACL to `Firewall`.
    """

    rest_api_id: pulumi.Output[str]
    name: pulumi.Output[str]
    """The REST API's name, CloudWatch's ``ApiName``."""
    stage_name: str
    stage_arn: pulumi.Output[str]
    url: pulumi.Output[str]
    """The stage's root, without a trailing slash."""
    invoke_url: pulumi.Output[str]
    origin_url: pulumi.Output[str]
    """As ``url``, for CloudFront: execute-api's address unless disabled, because it works before the domain does."""
    log_group: pulumi.Output[str]
    api_keys: dict[str, pulumi.Output[str]]
    """The key of each team, by its name; secret."""

    def __init__(
        self,
        stack: StackContext,
        settings: ApiSettings,
        *,
        identity: Identity,
        runtime: Runtime,
        private_edge: PrivateEdge | None,
        stage_name: str,
        tracing: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; Pulumi refuses to delete a protected stack's API, whose address would change, and its log."""
        self._deployed: list[pulumi.Resource] = []
        self._inputs: list[object] = []
        recording = pulumi.ResourceOptions(transformations=[self._record])
        super().__init__("StreamingApi", stack, pulumi.ResourceOptions.merge(opts, recording))
        name = stack.name
        self._settings = settings
        self.stage_name = stage_name

        # Declared before the API: if its certificate is never issued, the API is not changed.
        domain = None
        if settings.domain is not None:
            domain = ApiDomain(stack, settings.domain, settings, opts=self._child)
        api = self._rest_api(domain)
        invocations = aws.apigateway.Resource(
            f"{name}-{PATH}", rest_api=api.id, parent_id=api.root_resource_id, path_part=PATH, opts=self._child
        )
        post = self._post(api, invocations, identity)
        self._stream(post, runtime, private_edge)
        preflight(
            name,
            invocations,
            settings.allowed_origin,
            more_headers=settings.allowed_headers,
            with_key=bool(settings.teams),
            opts=self._child,
        )
        gateway_responses(name, api.id, settings.allowed_origin, self._child)

        self._stage = stage = self._declare_stage(api, tracing=tracing)
        self.rest_api_id = api.id
        self.name = api.name
        self.stage_arn = stage.arn
        self.url = self.origin_url = stage.invoke_url
        self._domain = domain
        if domain is not None:
            self.url = domain.url
            self.origin_url = domain.url if self._only_at_domain else stage.invoke_url
        self.invoke_url = pulumi.Output.concat(self.url, "/", PATH)
        self.api_keys = usage_plans(name, stage, settings.teams, self._child)
        self.register_outputs({"restApiId": api.id, "invokeUrl": self.invoke_url})

    def map_domain(self, after: Sequence[pulumi.Resource]) -> None:
        """Map the custom domain, if there is one, to the stage, after ``after`` exists."""
        if self._domain is not None:
            self._domain.map_to(self._stage, after)

    @property
    def _only_at_domain(self) -> bool:
        return self._settings.domain is not None and self._settings.domain.only_this_name

    def _record(self, args: pulumi.ResourceTransformationArgs) -> None:
        """Record every resource of the API as it is declared, so that the deployment's triggers include all of them."""
        if args.type_.startswith("aws:apigateway/") and args.type_ not in NOT_IN_SNAPSHOT:
            self._deployed.append(args.resource)
            # Tags are not part of a stage's snapshot.
            given = {key: value for key, value in args.props.items() if value is not None and key != "tags"}
            self._inputs.append([args.name, given])

    def _rest_api(self, domain: ApiDomain | None) -> aws.apigateway.RestApi:
        settings = self._settings
        return aws.apigateway.RestApi(
            f"{self._name}-api",
            description="Streams an agent's answers.",
            # All three are always set: AWS keeps the old value of one that is left out, such as those of a private API.
            endpoint_configuration={
                "types": settings.endpoint_type,
                # A private API accepts no other (https://docs.aws.amazon.com/apigateway/latest/developerguide/
                # api-gateway-ip-address-type.html).
                "ip_address_type": "dualstack" if settings.endpoint_type == "PRIVATE" else "ipv4",
                "vpc_endpoint_ids": settings.vpc_endpoint_ids,
            },
            policy=_resource_policy(settings.vpc_endpoint_ids),
            security_policy=settings.security_policy,
            endpoint_access_mode=settings.access_mode,
            disable_execute_api_endpoint=self._only_at_domain,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=self._stack.protect,
                # The domain name, not the component, whose mapping waits for the API's stage.
                depends_on=None if domain is None else [domain.domain_name],
                hooks=endpoint_type_hook(self._name),
            ),
        )

    def _post(
        self,
        api: aws.apigateway.RestApi,
        invocations: aws.apigateway.Resource,
        identity: Identity,
    ) -> aws.apigateway.Method:
        authorizer = aws.apigateway.Authorizer(
            f"{self._name}-authorizer",
            rest_api=api.id,
            type="COGNITO_USER_POOLS",
            provider_arns=[identity.user_pool_arn],
            identity_source="method.request.header.Authorization",
            # The authorizer accepts tokens of any client of the pool unless `aud` is pinned; an access token has no
            # `aud` and is refused here
            # (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-enable-cognito-user-pool.html).
            identity_validation_expression=pulumi.Output.concat("^", identity.client_id, "$"),
            # The default is 300 s, and AWS does not say whether a token that expires meanwhile is still accepted
            # (https://docs.aws.amazon.com/apigateway/latest/api/API_CreateAuthorizer.html).
            authorizer_result_ttl_in_seconds=self._settings.authorizer_cache_seconds,
            opts=self._child,
        )
        model, validator = request_model(self._name, api.id, self._settings.session_from, self._child)
        return aws.apigateway.Method(
            f"{self._name}-post",
            rest_api=api.id,
            resource_id=invocations.id,
            http_method="POST",
            # Without scopes the authorizer expects an ID token; with scopes, an access token.
            authorization="COGNITO_USER_POOLS",
            authorizer_id=authorizer.id,
            api_key_required=bool(self._settings.teams),
            request_parameters=method_parameters(self._settings.session_from),
            request_models={EVERY_CONTENT_TYPE: model.name},
            request_validator_id=validator.id,
            opts=self._child,
        )

    def _stream(self, post: aws.apigateway.Method, runtime: Runtime, private_edge: PrivateEdge | None) -> None:
        by_link: dict[str, Any] = {}
        if private_edge is not None:
            by_link = {
                "connection_type": "VPC_LINK",
                "connection_id": private_edge.vpc_link_id,
                "integration_target": private_edge.load_balancer_arn,
            }
        aws.apigateway.Integration(
            f"{self._name}-stream",
            rest_api=post.rest_api,
            resource_id=post.resource_id,
            http_method=post.http_method,
            type="HTTP_PROXY",
            integration_http_method="POST",
            uri=runtime.url,
            response_transfer_mode=self._settings.response_transfer_mode,
            # With STREAM the default is still 29 s; 900 s can be set without a quota increase.
            timeout_milliseconds=self._settings.timeout_seconds * 1000,
            request_parameters=integration_parameters(runtime, self._settings.session_from),
            opts=pulumi.ResourceOptions(
                parent=self,
                # The link works only once the load balancer has its listener and targets.
                depends_on=None if private_edge is None else [private_edge],
                additional_secret_outputs=["requestParameters"] if runtime.origin_secret is not None else None,
            ),
            **by_link,
        )

    def _declare_stage(self, api: aws.apigateway.RestApi, *, tracing: bool) -> aws.apigateway.Stage:
        # A stage serves a snapshot. A new one is taken when an input of any recorded resource changes; ids would not
        # do as triggers, because an update in place keeps them.
        deployment = aws.apigateway.Deployment(
            f"{self._name}-deployment",
            rest_api=api.id,
            triggers={"inputs": pulumi.Output.json_dumps(list(self._inputs), sort_keys=True).apply(_digest)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(self._deployed)),
        )
        log = access_log.log_group(self._name, self._stack.log_retention_days, self._kept)
        self.log_group = log.name
        needed: list[pulumi.Resource] = []
        if self._settings.account_log_role:
            needed.append(access_log.account_role(self._name, self._child))
        stage = aws.apigateway.Stage(
            f"{self._name}-stage",
            rest_api=api.id,
            deployment=deployment.id,
            stage_name=self.stage_name,
            access_log_settings={"destination_arn": log.arn, "format": access_log.log_format()},
            xray_tracing_enabled=tracing,
            opts=pulumi.ResourceOptions(parent=self, depends_on=needed),
        )
        self._throttle(stage, "every-method", "*/*", self._settings.throttle_rate, self._settings.throttle_burst)
        self._throttle(stage, PATH, f"{PATH}/POST", self._settings.invocation_rate, self._settings.invocation_burst)
        return stage

    def _throttle(self, stage: aws.apigateway.Stage, suffix: str, path: str, rate: float, burst: int) -> None:
        """Limit a method's rate. The settings of one method replace all of ``*/*``'s, so every one is set."""
        aws.apigateway.MethodSettings(
            f"{self._name}-throttle-{suffix}",
            rest_api=stage.rest_api,
            stage_name=stage.stage_name,
            method_path=path,
            settings={
                "throttling_rate_limit": rate,
                "throttling_burst_limit": burst,
                "metrics_enabled": True,
                "caching_enabled": False,
                "logging_level": "OFF",  # the access log says more, and no header or body
                "data_trace_enabled": False,  # a data trace would write prompts and the origin secret to the log
            },
            opts=self._child,
        )


def _resource_policy(vpc_endpoint_ids: list[str]) -> str:
    """The API's policy: every caller, who still needs a token; of a private API only through these VPC endpoints.

    A private API refuses every call without a policy. Other types need none, but without one they would keep the
    policy that they had as a private API.
    """
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "execute-api:Invoke",
        "Resource": "execute-api:/*",
    }
    if vpc_endpoint_ids:
        statement["Condition"] = {"StringEquals": {"aws:SourceVpce": vpc_endpoint_ids}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
