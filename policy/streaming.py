"""Rules that keep the stream from the agent to the caller unbuffered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from contract import DEFAULT_TIMEOUT_MILLISECONDS, Kind
from policy.graph import Declared, Stack, of_agentcore, single_resource

# A runtime's id only: an ARN would have to be escaped, and API Gateway escapes its `%` once more
# (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html).
ADDRESS = re.compile(
    r"https://bedrock-agentcore\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/runtimes/(?P<id>[A-Za-z0-9_-]+)/invocations"
)


@single_resource
@of_agentcore
def transfer_mode(integration: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 3: STREAM, on a raw proxy."""
    if integration.get("type") != "HTTP_PROXY":
        yield (
            f"The integration's type is {integration.get('type')}, which cannot stream, so users wait for the whole "
            "answer. Declare type HTTP_PROXY."
        )
    elif integration.get("responseTransferMode") != "STREAM":
        yield (
            "The integration does not stream, so users see nothing until the answer is complete, and answers of more "
            "than 10 MB fail. Declare responseTransferMode STREAM."
        )


@single_resource
@of_agentcore
def timeout(integration: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 3: the timeout limits the whole stream."""
    given = integration.get("timeoutMilliseconds")
    if given is None or given <= DEFAULT_TIMEOUT_MILLISECONDS:
        yield (
            "The integration ends every answer after "
            f"{(given or DEFAULT_TIMEOUT_MILLISECONDS) / 1000:g} s, in the middle of a word. "
            "Declare timeoutMilliseconds, above 29000 and up to 900000 (timeoutSeconds in the settings)."
        )


def reached(_runtime: Declared, stack: Stack) -> Iterator[str]:
    """Mechanism 2: an integration calls AgentCore; the other checks apply only to such integrations."""
    if not any(stack.calling_agentcore()):
        yield (
            "No integration calls AgentCore, so requests reach the agent by a path that no rule checks, or not at all. "
            "Use the runtime's /invocations address as the integration's uri."
        )


@single_resource
@of_agentcore
def address(integration: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 2: the path."""
    uri = integration.get("uri")
    if ADDRESS.fullmatch(uri) is None:
        yield (
            f"The address {uri} does not end in /runtimes/<id>/invocations; AgentCore answers other paths with 401 "
            "Missing Authentication Token, and API Gateway escapes an escaped ARN again. Use the runtime's id."
        )


@of_agentcore
def of_own_runtime(integration: Declared, stack: Stack) -> Iterator[str]:
    """Mechanism 2: the address is that of the stack's own runtime."""
    found = ADDRESS.fullmatch(integration.get("uri"))
    if found and found["id"] not in [runtime.get("agentRuntimeId") for runtime in stack.all(Kind.RUNTIME)]:
        yield (
            f"The address names the runtime {found['id']}, which this stack does not declare, so no rule checks it. "
            "Use the id of the stack's own runtime."
        )


@of_agentcore
def query(integration: Declared, stack: Stack) -> Iterator[str]:
    """Mechanism 2: the qualifier and the account, which an address by id needs."""
    endpoints = [each.get("name") for each in stack.all(Kind.RUNTIME_ENDPOINT)] or ["DEFAULT"]
    yield from _literal(integration, "qualifier", endpoints, "the runtime endpoint's name, or DEFAULT without one")
    accounts = (runtime.get("agentRuntimeArn").split(":")[4] for runtime in stack.all(Kind.RUNTIME))
    yield from _literal(integration, "accountId", accounts, "the runtime's account")


def _literal(integration: Declared, name: str, right: Iterable[str], what: str) -> Iterator[str]:
    key = f"integration.request.querystring.{name}"
    given = integration.get("requestParameters", key)
    if given is None or given not in (f"'{value}'" for value in right):
        yield (
            f"The request has {given or 'nothing'} as its {name}, so AgentCore does not find this stack's runtime, or "
            f"calls another version of it. Map {key} to {what}, in single quotes."
        )


@single_resource
@of_agentcore
def converts(integration: Declared, _stack: Stack) -> Iterator[str]:
    """STREAM forbids content handling.

    Source of this and the following: https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html
    """
    if integration.get("contentHandling"):
        yield _buffers("contentHandling converts the answer as a whole.")


def rewrites(response: Declared, stack: Stack) -> Iterator[str]:
    """STREAM forbids response templates."""
    if not (response.get("responseTemplates") or response.get("contentHandling")):
        return
    # While ids are unknown, resources cannot be told apart, only methods.
    streaming = [(each.peek("resourceId", unknown=""), each.get("httpMethod")) for each in stack.calling_agentcore()]
    if (response.peek("resourceId", unknown=""), response.get("httpMethod")) in streaming:
        yield _buffers("The response template needs the whole answer.")


@single_resource
def compresses(api: Declared, _stack: Stack) -> Iterator[str]:
    """STREAM forbids compression by the gateway."""
    if api.get("minimumCompressionSize") not in (None, "", "-1"):
        yield _buffers("minimumCompressionSize makes the gateway compress answers as a whole.")


@single_resource
def stage_caches(stage: Declared, _stack: Stack) -> Iterator[str]:
    """STREAM forbids a cache."""
    if stage.get("cacheClusterEnabled"):
        yield _buffers("cacheClusterEnabled stores whole answers.")


@single_resource
def method_caches(settings: Declared, _stack: Stack) -> Iterator[str]:
    """STREAM forbids a cache."""
    if settings.get("settings", "cachingEnabled"):
        yield _buffers(f"cachingEnabled stores whole answers of {settings.get('methodPath')}.")


def _buffers(what: str) -> str:
    return f"{what} Answers would be buffered, or the deployment is refused. Remove it."


@single_resource
def endpoint_given_a_version(endpoint: Declared, _stack: Stack) -> Iterator[str]:
    """A named endpoint without a version stays at the one that it was created with."""
    if endpoint.get("agentRuntimeVersion") is None:
        yield _stays("of its creation")


def endpoint_version(endpoint: Declared, stack: Stack) -> Iterator[str]:
    """A named endpoint serves its declared version until another is declared."""
    version = endpoint.get("agentRuntimeVersion")
    # A version that is known while the runtime's is unknown was hard-coded, or is left from the last deployment.
    current = [runtime.peek("agentRuntimeVersion", unknown=None) for runtime in stack.all(Kind.RUNTIME)]
    if version is not None and version not in current:
        yield _stays(version)


def _stays(version: str) -> str:
    return (
        f"The endpoint stays at version {version} whatever is deployed, so users get old code. Pass the runtime's "
        "agent_runtime_version."
    )
