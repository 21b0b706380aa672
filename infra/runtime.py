"""The AgentCore runtime: the role that the agent runs under, and the authorizer of its callers.

A *session* is one microVM; AgentCore routes every request with the same session id to it. The *qualifier* is the
name of a runtime endpoint; ``DEFAULT`` always exists and follows the latest version
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-how-it-works.html).
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from contract import ORIGIN_HEADER, ROUTE
from infra import arn, permissions
from infra.artifact import Artifact
from infra.component import Component, StackContext
from infra.identity import Identity
from infra.memory import Memory
from infra.origin import OriginSecret
from infra.settings.runtime import RuntimeSettings

DEFAULT_ENDPOINT = "DEFAULT"
"""The endpoint that every runtime has."""


class Runtime(Component):
    """An AgentCore runtime that accepts the user pool's ID tokens and streams over HTTP.

    Pulumi type: ``agentstream:infra:Runtime``. Produces ``iam.Role``, ``iam.RolePolicy``\\ s,
    ``bedrock.AgentcoreAgentRuntime``, and what the settings ask for: the `OriginSecret`, the `Memory`, a
    ``cloudwatch.LogGroup`` for each endpoint, and a ``bedrock.AgentcoreAgentRuntimeEndpoint`` when the qualifier is not
    DEFAULT. Leaves the artifact to `CodePackage` or `ContainerImage`, the API to `StreamingApi`, and the private path
    to `PrivateEdge`.
    """

    arn: pulumi.Output[str]
    id: pulumi.Output[str]
    account_id: pulumi.Output[str]
    qualifier: pulumi.Output[str]
    """Known once the endpoint of that name exists, so that resources which call it wait for it."""
    origin_secret: pulumi.Output[str] | None
    """The value that the API must send in `ORIGIN_HEADER`; None when the stack does not require it."""
    url: pulumi.Output[str]
    """The `/invocations` address without its query: nothing else streams."""
    address: pulumi.Output[str]
    """`url` with qualifier and account: the complete address of an invocation."""

    def __init__(
        self,
        stack: StackContext,
        settings: RuntimeSettings,
        *,
        identity: Identity,
        artifact: Artifact,
        environment: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; in a protected stack Pulumi refuses to delete the memory, and retains the agent's logs."""
        super().__init__("Runtime", stack, opts)
        name, region = stack.name, stack.region

        place = permissions.Place(arn.partition(identity.user_pool_arn), region, arn.account_id(identity.user_pool_arn))
        variables: dict[str, pulumi.Input[str]] = {
            **settings.environment,
            **environment,
            "AGENT_HOST": "0.0.0.0",  # noqa: S104 - inside the microVM; AgentCore requires 0.0.0.0:8080
        }
        forwarded = ["Authorization"]
        grants = [artifact.grant]
        self.origin_secret = None
        # With the private path the secret is a second barrier, against a caller with a token inside the network.
        if settings.bypass_protection != "none":
            secret = OriginSecret(stack, settings.origin_secret, opts=self._child)
            self.origin_secret = secret.sent
            if settings.origin_secret.required:
                variables |= secret.variables()
            forwarded.append(ORIGIN_HEADER)
        if settings.memory_days:
            memory = Memory(stack, settings.memory_days, opts=self._child)
            variables["AGENT_MEMORY_ID"] = memory.id
            grants.append(memory.grant)
        if settings.secrets:
            named = {name: permissions.of_account(place, each) for name, each in settings.secrets.items()}
            variables["AGENT_SECRETS"] = pulumi.Output.json_dumps(named, separators=(",", ":"))

        runtime = self._declare(
            settings,
            identity,
            artifact,
            place,
            grants=grants,
            forwarded=forwarded,
            variables=variables,
        )
        self.arn = runtime.agent_runtime_arn
        self.id = runtime.agent_runtime_id
        self.account_id = arn.account_id(runtime.agent_runtime_arn)
        # By id and account, never by ARN: API Gateway decodes and re-encodes an escaped ARN in a URL.
        self.url = pulumi.Output.concat(
            "https://bedrock-agentcore.", region, ".amazonaws.com/runtimes/", self.id, ROUTE
        )
        groups = self._logs(settings)
        self.qualifier = pulumi.Output.from_input(DEFAULT_ENDPOINT)
        if settings.endpoint_name:
            self.qualifier = aws.bedrock.AgentcoreAgentRuntimeEndpoint(
                f"{name}-endpoint",
                name=settings.endpoint_name,
                agent_runtime_id=self.id,
                # Without a version the endpoint would keep the one it was created with and serve old code
                # (https://github.com/aws-ia/terraform-aws-agentcore/pull/31).
                agent_runtime_version=runtime.agent_runtime_version,
                opts=pulumi.ResourceOptions(parent=self, depends_on=groups),
            ).name
        self.address = pulumi.Output.concat(self.url, "?qualifier=", self.qualifier, "&accountId=", self.account_id)
        self.register_outputs({"arn": self.arn, "id": self.id, "url": self.url})

    def _declare(
        self,
        settings: RuntimeSettings,
        identity: Identity,
        artifact: Artifact,
        place: permissions.Place,
        *,
        grants: list[permissions.Grant],
        forwarded: list[str],
        variables: dict[str, pulumi.Input[str]],
    ) -> aws.bedrock.AgentcoreAgentRuntime:
        name = self._name
        runtime_name = _runtime_name(name, settings)
        boundary = settings.permissions_boundary
        role = aws.iam.Role(
            f"{name}-agent",
            description="What the agent may do in AWS.",
            assume_role_policy=pulumi.Output.json_dumps(permissions.trust(place)),
            permissions_boundary=permissions.of_account(place, boundary) if boundary else None,
            opts=self._child,
        )
        policies = [
            aws.iam.RolePolicy(
                f"{name}-agent-{grant.name}",
                role=role.id,
                policy=pulumi.Output.json_dumps(permissions.document(grant.statements)),
                opts=self._child,
            )
            for grant in permissions.execution(place, settings, runtime_name, grants)
        ]
        return aws.bedrock.AgentcoreAgentRuntime(
            f"{name}-runtime",
            agent_runtime_name=runtime_name,
            description="Streams the agent's answers.",
            role_arn=role.arn,
            agent_runtime_artifact=artifact.runtime_artifact,
            network_configuration=_network(settings),
            protocol_configuration={"server_protocol": "HTTP"},
            platform_version=settings.platform_version,
            # An ID token has `aud` and no `client_id`. Everything configured here must match, so listing
            # allowed_clients as well would refuse every ID token
            # (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-oauth.html).
            authorizer_configuration={
                "custom_jwt_authorizer": {
                    "discovery_url": identity.discovery_url,
                    "allowed_audiences": [identity.client_id],
                    "custom_claims": [_claim("token_use", "id")] if settings.check_token_use else None,
                }
            },
            # AgentCore validates the token and removes it, unless it is listed here; the agent needs its `sub`.
            request_header_configuration={"request_header_allowlists": forwarded},
            lifecycle_configurations=[
                {
                    "idle_runtime_session_timeout": settings.idle_session_seconds,
                    "max_lifetime": settings.session_seconds,
                }
            ],
            environment_variables=variables,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=policies,  # AgentCore assumes the role while it creates the runtime
                additional_secret_outputs=["environmentVariables"] if self.origin_secret is not None else None,
            ),
        )

    def _logs(self, settings: RuntimeSettings) -> list[aws.cloudwatch.LogGroup]:
        """Declare the log groups that AgentCore writes to, so that their lines expire.

        There is one for each endpoint, and DEFAULT always exists
        (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/observability-configure.html). It is not
        documented that the group does not exist yet when it is declared after the runtime; some report that it is
        created with the runtime (https://github.com/hashicorp/terraform-provider-aws/issues/47629). With
        `declareLogGroups: false` AgentCore creates them.
        """
        if not settings.declare_log_groups:
            return []
        return [
            aws.cloudwatch.LogGroup(
                f"{self._name}-agent-log-{endpoint}",
                name=pulumi.Output.concat("/aws/bedrock-agentcore/runtimes/", self.id, "-", endpoint),
                retention_in_days=self._stack.log_retention_days,
                # Its name contains the runtime's id: the lines of a replaced runtime stay until they expire.
                opts=pulumi.ResourceOptions(parent=self, retain_on_delete=self._stack.protect),
            )
            for endpoint in sorted({DEFAULT_ENDPOINT, settings.qualifier})
        ]


def _runtime_name(name: str, settings: RuntimeSettings) -> str:
    """The name in AgentCore: letters, digits and underscores, 48 at most, for which `infra.config` leaves room.

    A runtime with the other kind of artifact is a replacement, created before the old one is deleted; so it needs
    another name.
    """
    suffix = "_image" if settings.artifact == "container" else ""
    return name.replace("-", "_") + suffix


def _claim(
    name: str, value: str
) -> aws.bedrock.AgentcoreAgentRuntimeAuthorizerConfigurationCustomJwtAuthorizerCustomClaimArgsDict:
    """One more required claim: a token of another kind may have the same audience."""
    return {
        "inbound_token_claim_name": name,
        "inbound_token_claim_value_type": "STRING",
        "authorizing_claim_match_value": {
            "claim_match_operator": "EQUALS",
            "claim_match_value": {"match_value_string": value},
        },
    }


def _network(settings: RuntimeSettings) -> aws.bedrock.AgentcoreAgentRuntimeNetworkConfigurationArgsDict:
    """The network that the agent's own calls leave from; it does not decide who may call the agent."""
    if settings.network == "PUBLIC":
        return {"network_mode": "PUBLIC"}
    return {
        "network_mode": "VPC",
        "network_mode_config": {"subnets": settings.subnet_ids, "security_groups": settings.security_group_ids},
    }
