"""The stack: settings, then the components in the order in which each needs the one before, then the outputs.

user → identity → firewall → api (→ private edge) → runtime → the agent's artifact
"""

import pulumi

from infra.api import StreamingApi
from infra.artifact import Artifact, CodePackage
from infra.config import StackConfig
from infra.encryption import EncryptionKey
from infra.firewall import Firewall
from infra.identity import Identity
from infra.image import ContainerImage
from infra.observability import Observability, Watched
from infra.private_edge import PrivateEdge
from infra.resource_policy import ResourcePolicy
from infra.runtime import Runtime
from package.contents import package_path

config = StackConfig.load()
stack = config.context

identity = Identity(stack, config.identity)
key = EncryptionKey(stack, of_account=identity.user_pool_arn) if config.runtime.customer_key else None
artifact: Artifact
if config.runtime.artifact == "container":
    artifact = ContainerImage(stack, telemetry=config.runtime.telemetry)
else:
    artifact = CodePackage(stack, package=package_path(), telemetry=config.runtime.telemetry, key=key)
runtime = Runtime(stack, config.runtime, identity=identity, artifact=artifact, environment=config.agent_environment)
edge = PrivateEdge(stack, config.network, runtime=runtime) if config.network else None
api = StreamingApi(
    stack,
    config.api,
    identity=identity,
    runtime=runtime,
    private_edge=edge,
    stage_name=config.stage_name,
    tracing=config.observability.tracing,
)
ResourcePolicy(
    stack,
    runtime_arn=runtime.arn,
    account_id=runtime.account_id,
    denied_actions=config.runtime.denied_actions,
    endpoint_id=edge.endpoint_id if edge else None,
    after=[api] if edge else [],
)
firewall = Firewall(
    stack,
    config.firewall,
    stage_name=api.stage_name,
    stage_arn=api.stage_arn,
    user_pool_arn=identity.user_pool_arn if config.identity.firewall else None,
    allowed_origin=config.api.allowed_origin,
)
api.answer_at_domain(after=[firewall])
observability = Observability(stack, config.observability, watched=Watched.of(api, firewall, runtime), key=key)

pulumi.export("region", config.region)
pulumi.export("apiUrl", api.url)
pulumi.export("invokeUrl", api.invoke_url)
pulumi.export("userPoolId", identity.user_pool_id)
pulumi.export("userPoolClientId", identity.client_id)
pulumi.export("callbackUrls", config.identity.callback_urls)
pulumi.export("issuer", identity.issuer)
pulumi.export("discoveryUrl", identity.discovery_url)
pulumi.export("loginUrl", identity.login_url)
pulumi.export("runtimeArn", runtime.arn)
pulumi.export("runtimeId", runtime.id)
pulumi.export("runtimeUrl", runtime.address)
pulumi.export("qualifier", runtime.qualifier)
pulumi.export("webAclArn", firewall.web_acl_arn)
pulumi.export("restApiId", api.rest_api_id)
pulumi.export("stageName", config.stage_name)
pulumi.export("sessionFrom", config.api.session_from)
pulumi.export("responseTransferMode", config.api.response_transfer_mode)
pulumi.export("timeoutSeconds", config.api.timeout_seconds)
pulumi.export("idleTimeoutSeconds", config.api.idle_limit_seconds)
pulumi.export("heartbeatSeconds", config.api.heartbeat_seconds)
pulumi.export("runSeconds", config.run_seconds)
pulumi.export("detachedSeconds", config.detached_seconds)
pulumi.export("keepSeconds", config.keep_seconds)
pulumi.export("whenBusy", config.runtime.when_busy)
pulumi.export("stackName", config.name)
pulumi.export("bypassProtection", config.runtime.bypass_protection)
pulumi.export("deniedActions", config.runtime.denied_actions)
pulumi.export("alarms", config.observability.alarms)
if observability.dashboard_url is not None:
    pulumi.export("dashboardUrl", observability.dashboard_url)
if api.api_keys:
    pulumi.export("apiKeys", api.api_keys)
