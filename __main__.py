"""The stack: settings, then the components, each after those that it needs, then the outputs.

user → identity → firewall → api (→ private edge) → runtime → the agent's artifact
"""

from infra.api import StreamingApi
from infra.artifact import Artifact, CodePackage
from infra.config import StackConfig
from infra.encryption import EncryptionKey
from infra.firewall import Firewall
from infra.identity import Identity
from infra.image import ContainerImage
from infra.observability import Observability, Watched
from infra.origin import OriginSecret
from infra.outputs import export
from infra.private_edge import PrivateEdge
from infra.resource_policy import ResourcePolicy
from infra.runtime import Runtime
from infra.website import Website
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
cloudfront = OriginSecret(stack.below("website"), config.website.secret) if config.website else None
firewall = Firewall(
    stack,
    config.firewall,
    stage_name=api.stage_name,
    stage_arn=api.stage_arn,
    user_pool_arn=identity.user_pool_arn if config.identity.firewall else None,
    allowed_origin=config.api.allowed_origin,
    cloudfront=cloudfront,
)
api.map_domain(after=[firewall])
website = None
if config.website and cloudfront:
    website = Website(
        stack,
        config.website,
        identity=identity,
        api=api,
        secret=cloudfront,
        page_settings={"sessionFrom": config.api.session_from, "maxPromptChars": config.runtime.max_prompt_chars},
        firewall=config.firewall,
        after=[firewall],
    )
observability = Observability(stack, config.observability, watched=Watched.of(api, firewall, runtime), key=key)

export(
    stack_name=stack.name,
    region=stack.region,
    api_url=api.url,
    invoke_url=api.invoke_url,
    login_url=identity.login_url,
    user_pool_client_id=identity.client_id,
    callback_urls=config.identity.callback_urls,
    user_pool_id=identity.user_pool_id,
    issuer=identity.issuer,
    discovery_url=identity.discovery_url,
    rest_api_id=api.rest_api_id,
    stage_name=api.stage_name,
    web_acl_arn=firewall.web_acl_arn,
    runtime_arn=runtime.arn,
    runtime_id=runtime.id,
    runtime_url=runtime.address,
    qualifier=runtime.qualifier,
    response_transfer_mode=config.api.response_transfer_mode,
    timeout_seconds=config.api.timeout_seconds,
    idle_timeout_seconds=config.api.idle_limit_seconds,
    heartbeat_seconds=config.api.heartbeat_seconds,
    session_from=config.api.session_from,
    run_seconds=config.run_seconds,
    detached_seconds=config.detached_seconds,
    keep_seconds=config.keep_seconds,
    when_busy=config.runtime.when_busy,
    bypass_protection=config.runtime.bypass_protection,
    denied_actions=config.runtime.denied_actions,
    alarms=config.observability.alarms,
    dashboard_url=observability.dashboard_url,
    website_url=website.url if website else None,
    api_keys=api.api_keys or None,
)
