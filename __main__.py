"""The stack: settings, then the components in the order in which each needs the one before, then the outputs."""

import pulumi

from infra.api import StreamingApi
from infra.artifact import CodePackage
from infra.config import StackConfig
from infra.firewall import Firewall
from infra.identity import Identity
from infra.runtime import Runtime

config = StackConfig.load()

identity = Identity(config.name, config.identity, region=config.region, tags=config.tags)
artifact = CodePackage(config.name, tags=config.tags)
runtime = Runtime(
    config.name,
    config.runtime,
    identity=identity,
    artifact=artifact,
    region=config.region,
    environment=config.agent_environment,
    log_retention_days=config.observability.log_retention_days,
    tags=config.tags,
)
api = StreamingApi(
    config.name,
    config.api,
    identity=identity,
    runtime=runtime,
    stage_name=config.stage_name,
    tags=config.tags,
)
firewall = Firewall(config.name, config.firewall, stage_arn=api.stage_arn, tags=config.tags)

pulumi.export("region", config.region)
pulumi.export("apiUrl", api.url)
pulumi.export("invokeUrl", api.invoke_url)
pulumi.export("userPoolId", identity.user_pool_id)
pulumi.export("userPoolClientId", identity.client_id)
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
pulumi.export("responseTransferMode", config.api.response_transfer_mode)
pulumi.export("timeoutSeconds", config.api.timeout_seconds)
pulumi.export("idleTimeoutSeconds", config.api.idle_limit_seconds)
pulumi.export("heartbeatSeconds", config.api.heartbeat_seconds)
