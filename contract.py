"""What several folders must agree on, defined once: header names, the route, limits, and the stack's outputs.

Imports no other module of the project and no provider. ``agent/`` is shipped without it and ``web/`` is in another
language, so both repeat what they need; ``tests/test_contract.py`` compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

ROUTE = "/invocations"
"""The path for questions, of the API and of the agent: the only path of AgentCore that streams."""

SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
ORIGIN_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Origin-Verify"
"""The header with the origin secret, which the API adds so that the agent can refuse requests that bypass it."""

CLOUDFRONT_HEADER = "x-origin-verify"
"""The header that CloudFront adds to each request to the API; it replaces a viewer's header of this name
(https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/add-origin-custom-headers.html). AgentCore forwards
allow-listed headers only, so the agent does not get it."""

SESSION_ID_LENGTH = (33, 256)
"""The least and the most characters of a session id
(https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference/API_InvokeAgentRuntime.html)."""

STREAM_LIMIT_SECONDS = 900
"""The longest answer that API Gateway streams
(https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html)."""

DEFAULT_TIMEOUT_MILLISECONDS = 29_000
"""The default timeout of an integration, with STREAM too."""

IDLE_LIMIT_SECONDS: Mapping[str, int] = {"REGIONAL": 300, "PRIVATE": 300, "EDGE": 30}
"""Seconds of silence after which API Gateway cuts a stream, by endpoint type."""

BODY_LIMIT_BYTES = 10_485_760
"""The largest request body, and the largest buffered response, that API Gateway accepts
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html)."""

FREE_STREAM_BYTES = 10_485_760
STREAM_BYTES_PER_SECOND = 2_097_152
"""The bandwidth limit of a stream after its first `FREE_STREAM_BYTES`."""

AGENT_DEFAULTS: Mapping[str, str] = {
    "AGENT_CONNECTION_SECONDS": "900",
    "AGENT_DETACHED_SECONDS": "300",
    "AGENT_KEEP_SECONDS": "300",
    "AGENT_WHEN_BUSY": "interrupt",
    "AGENT_CALLER_HISTORY": "ignore",
    "AGENT_TOOL_ERRORS": "model",
    "AGENT_KEEP_MEDIA": "note",
    "AGENT_GUARDRAIL_STREAM": "sync",
}
"""The agent's defaults for variables that are not set. A test compares them with the agent's own."""


class Kind:
    """Pulumi type tokens of the resources that several folders look up in the resource graph."""

    AUTHORIZER = "aws:apigateway/authorizer:Authorizer"
    BUCKET = "aws:s3/bucket:Bucket"
    DISTRIBUTION = "aws:cloudfront/distribution:Distribution"
    DOMAIN_NAME = "aws:apigateway/domainName:DomainName"
    INTEGRATION = "aws:apigateway/integration:Integration"
    INTEGRATION_RESPONSE = "aws:apigateway/integrationResponse:IntegrationResponse"
    METHOD = "aws:apigateway/method:Method"
    METHOD_SETTINGS = "aws:apigateway/methodSettings:MethodSettings"
    MODEL = "aws:apigateway/model:Model"
    RESOURCE_POLICY = "aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy"
    REST_API = "aws:apigateway/restApi:RestApi"
    ROLE = "aws:iam/role:Role"
    RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"
    RUNTIME_ENDPOINT = "aws:bedrock/agentcoreAgentRuntimeEndpoint:AgentcoreAgentRuntimeEndpoint"
    STAGE = "aws:apigateway/stage:Stage"
    USER_POOL_CLIENT = "aws:cognito/userPoolClient:UserPoolClient"
    WEB_ACL = "aws:wafv2/webAcl:WebAcl"
    WEB_ACL_ASSOCIATION = "aws:wafv2/webAclAssociation:WebAclAssociation"


_Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class StackOutputs(BaseModel):
    """The outputs of a stack, under camelCase names. A field with a default may be missing, as in an older stack.

    ``__main__.py`` must export every field (`infra.outputs`), clients read them (`client.outputs`), and the table in
    ``docs/operations.md`` is generated from the descriptions.
    """

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True, populate_by_name=True)

    stack_name: str = Field("", description="project and stack: the prefix of every name")
    region: str = Field(description="the Region of all regional resources")
    api_url: str = Field("", description="the API's stage")
    invoke_url: str = Field(
        description="the address that takes questions: [client.md](client.md#from-a-page-or-a-program-of-your-own)"
    )
    login_url: str = Field("", description="the login pages")
    user_pool_client_id: str = Field(description="the app client that a page signs users in with")
    callback_urls: tuple[str, ...] = Field((), description="the addresses that the login pages may redirect to")
    user_pool_id: str = Field(description="the user pool")
    issuer: str = Field(description="the `iss` of its tokens")
    discovery_url: str = Field("", description="the OpenID configuration, which has the address of the tokens' keys")
    rest_api_id: str = Field("", description="the REST API")
    stage_name: str = Field("", description="its stage")
    web_acl_arn: str = Field("", description="the web ACL in front of the stage")
    runtime_arn: str = Field("", description="the AgentCore runtime")
    runtime_id: str = Field("", description="its id")
    runtime_url: str = Field("", description="the runtime's own address, which bypasses the API")
    qualifier: str = Field("DEFAULT", description="the runtime's endpoint that is called")
    response_transfer_mode: str = Field("STREAM", description="how answers are passed on: `STREAM` or `BUFFERED`")
    timeout_seconds: _Limit = Field(900, description="the longest connection, in seconds")
    idle_timeout_seconds: _Limit = Field(300, description="the silence after which API Gateway cuts it, in seconds")
    heartbeat_seconds: _Limit = Field(10, description="the silence after which the agent sends a comment, in seconds")
    session_from: str = Field(
        "header",
        description="where the id of the session, and so the microVM, comes from: `user`, `thread` or `header`",
    )
    run_seconds: _Limit | None = Field(None, description="the longest run, in seconds")
    detached_seconds: _Time | None = Field(None, description="how long a run continues without a reader, in seconds")
    keep_seconds: _Time | None = Field(None, description="how long a finished run can still be read, in seconds")
    when_busy: str = Field("", description="what a new question does to a run that is under way")
    bypass_protection: str = Field("", description="how requests that bypass the API are refused; the doctor checks it")
    denied_actions: tuple[str, ...] | None = Field(
        None, description="the AgentCore actions that the runtime's policy denies; the doctor checks it"
    )
    alarms: bool | None = Field(None, description="whether there are alarms")
    dashboard_url: str | None = Field(None, description="the dashboard, with `observability.dashboard`")
    website_url: str = Field("", description="the chat page, with `website` or in a local run")
    api_keys: Mapping[str, SecretStr] = Field(
        default_factory=dict, description="each team's key, with `api.teams`; secret, so only with `--show-secrets`"
    )


class LocalOutputs(StackOutputs):
    """The contents of ``.local/outputs.json``: the stack's outputs, and those of a local run."""

    endpoint_url: str | None = Field(None, description="the emulator that answers for Cognito")
    demo_username: str | None = Field(None, description="a user who can sign in")
    demo_password: SecretStr | None = Field(None, description="their password")
    time_scale: _Limit = Field(1, description="the factor by which AWS's time limits are divided")
    hang_up: str = Field("", description="whether the agent is told that a client disconnected: `lost` or `passed`")
