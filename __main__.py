"""The stack: settings, then the components in the order in which each needs the one before, then the outputs."""

import pulumi

from infra.api import StreamingApi
from infra.artifact import Artifact, CodePackage, package_path
from infra.config import StackConfig
from infra.encryption import EncryptionKey
from infra.firewall import Firewall
from infra.identity import Identity
from infra.observability import Observability, Watched
from infra.resource_policy import ResourcePolicy
from infra.runtime import Runtime

config = StackConfig.load()

identity = Identity(config.name, config.identity, region=config.region, tags=config.tags)
key = None
if config.runtime.customer_key:
    key = EncryptionKey(
        config.name, of_account=identity.user_pool_arn, protect=config.identity.protect, tags=config.tags
    )
artifact: Artifact
if config.runtime.artifact == "container":
    from infra.image import ContainerImage  # loads awsx, as PrivateEdge does; a stack with neither is spared it

    artifact = ContainerImage(
        config.name, telemetry=config.runtime.telemetry, keep=config.identity.protect, tags=config.tags
    )
else:
    artifact = CodePackage(
        config.name,
        package=package_path(),
        telemetry=config.runtime.telemetry,
        keep=config.identity.protect,
        key=key,
        tags=config.tags,
    )
runtime = Runtime(
    config.name,
    config.runtime,
    identity=identity,
    artifact=artifact,
    region=config.region,
    environment=config.agent_environment,
    log_retention_days=config.observability.log_retention_days,
    protect=config.identity.protect,
    tags=config.tags,
)
private_edge = None
if config.network is not None:
    from infra.private_edge import PrivateEdge

    private_edge = PrivateEdge(
        config.name,
        config.network,
        runtime=runtime,
        region=config.region,
        protect=config.identity.protect,
        tags=config.tags,
    )
api = StreamingApi(
    config.name,
    config.api,
    identity=identity,
    runtime=runtime,
    observability=config.observability,
    private_edge=private_edge,
    stage_name=config.stage_name,
    protect=config.identity.protect,
    tags=config.tags,
)
ResourcePolicy(
    config.name,
    runtime_arn=runtime.arn,
    account_id=runtime.account_id,
    denied_actions=config.runtime.denied_actions,
    endpoint_id=None if private_edge is None else private_edge.endpoint_id,
    after=[] if private_edge is None else [api],
)
firewall = Firewall(
    config.name,
    config.firewall,
    stage_name=config.stage_name,
    stage_arn=api.stage_arn,
    user_pool_arn=identity.user_pool_arn if config.identity.firewall else None,
    allowed_origin=config.api.allowed_origin,
    log_retention_days=config.observability.log_retention_days,
    protect=config.identity.protect,
    tags=config.tags,
)
api.answer_at_domain(after=[firewall])
observability = Observability(
    config.name,
    config.observability,
    watched=Watched(
        region=config.region,
        api_name=api.name,
        stage=config.stage_name,
        web_acl=firewall.metric_name,
        runtime_id=runtime.id,
        access_log=api.log_group,
    ),
    key=key,
    tags=config.tags,
)

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
