"""The peer's REST API: one path that streams, its preflight, and what it answers when it refuses."""

import json

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from bench.cdk.agent import Agent
from bench.cdk.identity import Identity
from bench.cdk.texts import ACCESS_LOG_FIELDS, ASKED_HEADERS, ORIGIN_HEADER, RESPONSES, SESSION_HEADER


class StreamingApi(Construct):
    """What is asked."""

    def __init__(
        self, scope: Construct, id_: str, *, name: str, stage: str, origin: str, identity: Identity, agent: Agent
    ) -> None:
        super().__init__(scope, id_)
        self._origin = origin
        self.access_log = logs.LogGroup(
            self,
            "AccessLog",
            log_group_name=f"/agent-stream/{name}/access",
            retention=logs.RetentionDays.ONE_WEEK,
            removal_policy=RemovalPolicy.DESTROY,
        )
        anybody = iam.PolicyStatement(
            actions=["execute-api:Invoke"], principals=[iam.AnyPrincipal()], resources=["execute-api:/*"]
        )
        self.rest_api = apigateway.RestApi(
            self,
            "RestApi",
            description="Streams an agent's answers.",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            cloud_watch_role=False,
            policy=iam.PolicyDocument(statements=[anybody]),
            deploy_options=self._stage(stage),
        )
        declared = self.rest_api.node.default_child
        declared.add_property_override("SecurityPolicy", "SecurityPolicy_TLS13_1_2_2021_06")
        declared.add_property_override("EndpointAccessMode", "BASIC")
        self.url, self.stage_arn = self.rest_api.url, self.rest_api.deployment_stage.stage_arn
        self._responses()
        invocations = self.rest_api.root.add_resource("invocations")
        invocations.add_cors_preflight(
            allow_origins=[origin],
            allow_methods=["OPTIONS", "POST"],
            allow_headers=list(ASKED_HEADERS),
            max_age=Duration.hours(1),
        )
        self._post(invocations, identity, agent)

    def _stage(self, name: str) -> apigateway.StageOptions:
        members = {member: f"$context.{variable}" for member, variable in ACCESS_LOG_FIELDS.items()}
        return apigateway.StageOptions(
            stage_name=name,
            tracing_enabled=True,
            access_log_destination=apigateway.LogGroupLogDestination(self.access_log),
            access_log_format=apigateway.AccessLogFormat.custom(json.dumps(members, separators=(",", ":"))),
            metrics_enabled=True,
            logging_level=apigateway.MethodLoggingLevel.OFF,
            throttling_rate_limit=20,
            throttling_burst_limit=40,
            method_options={
                "/invocations/POST": apigateway.MethodDeploymentOptions(
                    metrics_enabled=True, throttling_rate_limit=10, throttling_burst_limit=20
                )
            },
        )

    def _responses(self) -> None:
        headers = {"Access-Control-Allow-Origin": f"'{self._origin}'", "Cache-Control": "'no-store'"}
        reason = {
            "Access-Control-Expose-Headers": "'X-Validation-Error'",
            "X-Validation-Error": "context.error.validationErrorString",
        }
        template = '{"message":%s,"type":"$context.error.responseType","requestId":"$context.requestId"}'
        for kind, (status, message) in RESPONSES.items():
            self.rest_api.add_gateway_response(
                kind,
                type=apigateway.ResponseType.of(kind),
                status_code=status,
                response_headers={**headers, **(reason if kind == "BAD_REQUEST_BODY" else {})},
                templates={"application/json": template % message},
            )

    def _post(self, path: apigateway.Resource, identity: Identity, agent: Agent) -> None:
        authorizer = apigateway.CognitoUserPoolsAuthorizer(
            self, "Authorizer", cognito_user_pools=[identity.users], results_cache_ttl=Duration.seconds(0)
        )
        client_id = identity.client.user_pool_client_id
        authorizer.node.default_child.add_property_override("IdentityValidationExpression", f"^{client_id}$")
        here = Stack.of(self)
        stream = apigateway.Integration(
            type=apigateway.IntegrationType.HTTP_PROXY,
            integration_http_method="POST",
            uri=f"https://bedrock-agentcore.{here.region}.amazonaws.com/runtimes/{agent.runtime_id}/invocations",
            options=apigateway.IntegrationOptions(
                response_transfer_mode=apigateway.ResponseTransferMode.STREAM,
                timeout=Duration.minutes(15),
                request_parameters={
                    "integration.request.header.Authorization": "method.request.header.Authorization",
                    f"integration.request.header.{ORIGIN_HEADER}": f"'{agent.secret}'",
                    f"integration.request.header.{SESSION_HEADER}": "context.authorizer.claims.sub",
                    "integration.request.querystring.accountId": f"'{here.account}'",
                    "integration.request.querystring.qualifier": "'DEFAULT'",
                },
            ),
        )
        path.add_method(
            "POST",
            stream,
            authorizer=authorizer,
            authorization_type=apigateway.AuthorizationType.COGNITO,
            request_parameters={"method.request.header.Authorization": False},
            request_models={"$default": self._question()},
            request_validator=self.rest_api.add_request_validator("Body", validate_request_body=True),
        )

    def _question(self) -> apigateway.Model:
        schema, kinds = apigateway.JsonSchema, apigateway.JsonSchemaType
        # A member that may be null has two kinds, for which CDK has no way of saying it: left open.
        text, items, role = schema(type=kinds.STRING), schema(type=kinds.ARRAY), schema(type=kinds.STRING)
        message = schema(type=kinds.OBJECT, required=["role"], properties={"role": role})
        of_run = schema(type=kinds.OBJECT, properties={"runId": text})
        return self.rest_api.add_model(
            "Invocation",
            model_name="Invocation",
            content_type="application/json",
            description="A question, or a word about a run that is there already.",
            schema=schema(
                schema=apigateway.JsonSchemaVersion.DRAFT4,
                title="Invocation",
                type=kinds.OBJECT,
                properties={
                    "prompt": schema(type=kinds.STRING, min_length=1),
                    "messages": schema(type=kinds.ARRAY, items=message),
                    "history": schema(type=kinds.OBJECT),
                    **dict.fromkeys(("threadId", "runId"), text),
                    **dict.fromkeys(("tools", "context", "resume"), items),
                    **dict.fromkeys(("attach", "stop"), of_run),
                },
                any_of=[schema(required=[key]) for key in ("prompt", "messages", "attach", "stop", "history")],
            ),
        )
