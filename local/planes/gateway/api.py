"""The declared REST API as the data plane needs it: paths, methods, and each method's checks and backend."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from contract import DEFAULT_TIMEOUT_MILLISECONDS, IDLE_LIMIT_SECONDS, Kind
from local.planes.gateway.access_log import declared_format
from local.planes.gateway.firewall import WebAcl, web_acl_from_graph
from local.planes.gateway.mapping import check_source
from local.planes.gateway.responses import GatewayResponse, declared_responses
from local.planes.gateway.throttle import Throttle, throttle_from_graph
from local.planes.gateway.validation import RequestRules, request_rules
from local.program.graph import Graph, ProgramError, Resource

HEADER_LIMIT_BYTES = {"REGIONAL": 20_480, "PRIVATE": 8_000, "EDGE": 20_480}
"""Names and values together
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html)."""

TIMEOUT_MILLISECONDS = {"STREAM": range(50, 900_001), "BUFFERED": range(50, 300_001)}
"""https://www.pulumi.com/registry/packages/aws/api-docs/apigateway/integration/"""


@dataclasses.dataclass(frozen=True, slots=True)
class Authorizer:
    """A Cognito authorizer.

    Attributes:
        issuers: the ``iss`` of each user pool whose tokens it accepts.
        header: the request header that carries the token, in lower case.
        audience: the expression that ``aud`` must match; None accepts any.
        cache_seconds: how long an accepted token is accepted again without a check.
    """

    issuers: tuple[str, ...]
    header: str
    audience: re.Pattern[str] | None
    cache_seconds: float = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Integration:
    """The integration of a method.

    Attributes:
        type: ``HTTP_PROXY`` or ``MOCK``.
        http_method: of the request to the backend; ``ANY`` for the caller's.
        transfer_mode: ``STREAM`` or ``BUFFERED``.
        timeout: seconds that the whole response may take.
        parameters: request parameter mappings, as declared.
        responses: of a MOCK integration, the headers of its response by status.
    """

    type: str
    uri: str
    http_method: str
    transfer_mode: str
    timeout: float
    parameters: Mapping[str, str]
    responses: Mapping[int, Mapping[str, str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Method:
    """One method of one resource.

    Attributes:
        authorizer: None without authorization.
        scopes: if there are any, an access token with one of them is required instead of the ID token.
        api_key_required: whether the caller must send an API key, which identifies its usage plan.
        rules: of its request validator; None without one.
    """

    authorizer: Authorizer | None
    scopes: tuple[str, ...]
    api_key_required: bool
    rules: RequestRules | None
    integration: Integration


@dataclasses.dataclass(frozen=True, slots=True)
class Api:
    """A deployed stage.

    Attributes:
        account: the account that owns the API.
        domain: the host name that AWS gives it.
        firewall: the web ACL on it; None without one.
        header_limit: bytes of a request's headers, names and values together.
        log_format: of its access log; None without one.
        methods: by path below the stage (``/invocations``), then by HTTP method or ``ANY``.
        idle_limit: seconds of silence after which a stream is cut.
    """

    id: str
    account: str
    domain: str
    stage: str
    methods: Mapping[str, Mapping[str, Method]]
    responses: Mapping[str, GatewayResponse]
    idle_limit: float
    header_limit: int
    throttle: Throttle
    firewall: WebAcl | None
    log_format: str | None


def api_from_graph(graph: Graph) -> Api:
    """The stage that the graph declares, its times at the graph's time scale.

    Raises:
        ProgramError: when the graph does not declare exactly one API with one stage, or one that is not served here.
    """
    api = graph.one(Kind.REST_API)
    stage = graph.one(Kind.STAGE)
    authorizers = {one.id: _authorizer(one, graph.time_scale) for one in graph.all(Kind.AUTHORIZER)}
    paths = _paths(api, graph.all("aws:apigateway/resource:Resource"))
    methods: dict[str, dict[str, Method]] = {}
    for resource in graph.all(Kind.METHOD):
        path, verb = paths[resource.inputs["resourceId"]], resource.inputs["httpMethod"]
        methods.setdefault(path, {})[verb] = _method(resource, graph, authorizers)
    kind = api.inputs.get("endpointConfiguration", {}).get("types", "EDGE")
    return Api(
        id=api.id,
        account=str(api.outputs["executionArn"]).split(":")[4],
        domain=f"{api.id}.execute-api.{graph.region}.amazonaws.com",
        stage=stage.inputs["stageName"],
        methods=methods,
        responses=declared_responses(graph),
        idle_limit=IDLE_LIMIT_SECONDS[kind] / graph.time_scale,
        header_limit=HEADER_LIMIT_BYTES[kind],
        throttle=throttle_from_graph(graph),
        firewall=web_acl_from_graph(graph),
        log_format=declared_format(graph),
    )


def _paths(api: Resource, resources: list[Resource]) -> dict[str, str]:
    """Full paths by resource id; API Gateway declares each part of a path as a resource."""
    paths = {api.outputs["rootResourceId"]: ""}
    waiting = list(resources)
    while waiting:
        known = [resource for resource in waiting if resource.inputs["parentId"] in paths]
        if not known:
            raise ProgramError(f"The parent of {waiting[0].name} is a resource that the program does not declare.")
        for resource in known:
            if "{" in resource.inputs["pathPart"]:
                raise _not_served(resource, f"the path parameter {resource.inputs['pathPart']}", "fixed paths")
            paths[resource.id] = f"{paths[resource.inputs['parentId']]}/{resource.inputs['pathPart']}"
        waiting = [resource for resource in waiting if resource not in known]
    return paths


def _not_served(resource: Resource, what: str, served: str) -> ProgramError:
    return ProgramError(f"{resource.name} declares {what}, which the local run does not serve; it serves {served}.")


def _authorizer(resource: Resource, time_scale: float) -> Authorizer:
    if resource.inputs["type"] != "COGNITO_USER_POOLS":
        raise _not_served(resource, f"an authorizer of type {resource.inputs['type']}", "COGNITO_USER_POOLS")
    pools = [arn.split(":") for arn in resource.inputs.get("providerArns", [])]
    expression = resource.inputs.get("identityValidationExpression")
    source = resource.inputs.get("identitySource", "method.request.header.Authorization")
    return Authorizer(
        issuers=tuple(
            f"https://cognito-idp.{region}.amazonaws.com/{path.removeprefix('userpool/')}"
            for _, _, _, region, _, path in pools
        ),
        header=source.removeprefix("method.request.header.").lower(),
        audience=re.compile(expression) if expression else None,
        cache_seconds=resource.inputs.get("authorizerResultTtlInSeconds", 300) / time_scale,
    )


def _method(resource: Resource, graph: Graph, authorizers: Mapping[str, Authorizer]) -> Method:
    method = {key: resource.inputs[key] for key in ("resourceId", "httpMethod")}

    def of_method(type_: str) -> list[Resource]:
        return [other for other in graph.all(type_) if method.items() <= other.inputs.items()]

    authorization = resource.inputs["authorization"]
    if authorization not in ("NONE", "COGNITO_USER_POOLS"):
        raise _not_served(resource, f"the authorization {authorization}", "NONE and COGNITO_USER_POOLS")
    integrations = of_method(Kind.INTEGRATION)
    if len(integrations) != 1:
        raise ProgramError(f"{resource.name} has {len(integrations)} integrations: declare exactly one.")
    responses = of_method(Kind.INTEGRATION_RESPONSE)
    return Method(
        authorizer=authorizers[resource.inputs["authorizerId"]] if authorization != "NONE" else None,
        scopes=tuple(resource.inputs.get("authorizationScopes") or ()),
        api_key_required=bool(resource.inputs.get("apiKeyRequired")),
        rules=request_rules(resource, graph),
        integration=_integration(
            integrations[0], responses, resource.inputs.get("requestParameters") or {}, graph.time_scale
        ),
    )


def _integration(
    resource: Resource, responses: list[Resource], declared: Mapping[str, Any], time_scale: float
) -> Integration:
    inputs = resource.inputs
    kind, mode = inputs["type"], inputs.get("responseTransferMode", "BUFFERED")
    timeout = inputs.get("timeoutMilliseconds", DEFAULT_TIMEOUT_MILLISECONDS)
    if kind not in ("HTTP_PROXY", "MOCK"):
        raise _not_served(resource, f"an integration of type {kind}", "HTTP_PROXY and MOCK")
    if mode == "STREAM" and kind != "HTTP_PROXY":
        raise _not_served(resource, f"an integration of type {kind} that streams", "STREAM with HTTP_PROXY")
    if len(responses) > 1:
        raise _not_served(resource, f"{len(responses)} integration responses", "one integration response")
    if timeout not in TIMEOUT_MILLISECONDS[mode]:
        limits = TIMEOUT_MILLISECONDS[mode]
        raise _not_served(resource, f"a timeout of {timeout} ms", f"{limits[0]} to {limits[-1]} ms with {mode}")
    parameters: Mapping[str, str] = inputs.get("requestParameters") or {}
    for target, source in parameters.items():
        if not target.startswith(("integration.request.header.", "integration.request.querystring.")):
            raise _not_served(resource, f"a mapping to {target}", "headers and query parameters")
        check_source(source, resource.name, declared=declared)
    return Integration(
        type=kind,
        uri=inputs.get("uri", ""),
        http_method=inputs.get("integrationHttpMethod", ""),
        transfer_mode=mode,
        timeout=timeout / 1000 / time_scale,
        parameters=parameters,
        responses={int(response.inputs["statusCode"]): _response_headers(response) for response in responses},
    )


def _response_headers(resource: Resource) -> dict[str, str]:
    parameters: Mapping[str, str] = resource.inputs.get("responseParameters") or {}
    for source in parameters.values():
        check_source(source, resource.name, declared=())
    return {target.removeprefix("method.response.header."): source for target, source in parameters.items()}
