"""Rules that keep words arriving as they are thought."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policy.graph import (
    INTEGRATION_RESPONSE,
    METHOD_SETTINGS,
    REST_API,
    RUNTIME_ENDPOINT,
    STAGE,
    UNKNOWN,
    Declared,
    Stack,
    known,
)

DEFAULT_TIMEOUT = 29_000
"""Milliseconds; what an integration has when none is given, STREAM or not."""

ADDRESS = re.compile(r"https://bedrock-agentcore\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/runtimes/[^/?]+/invocations(\?.*)?")


def transfer_mode(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """Mechanism 3: STREAM, on a raw proxy."""
    for each in stack.integrations_facing_agentcore():
        if each.get("type") not in ("HTTP_PROXY", UNKNOWN):
            yield (
                each,
                (
                    f"The integration's type is {each.get('type')}, which cannot stream: users wait for the whole "
                    "answer. Declare type HTTP_PROXY."
                ),
            )
        elif each.get("responseTransferMode") not in ("STREAM", UNKNOWN):
            yield (
                each,
                (
                    "The integration does not stream, so users see nothing until the last word is there, and "
                    "answers of more than 10 MB fail. Declare responseTransferMode STREAM."
                ),
            )


def timeout(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """Mechanism 3: the timeout bounds the whole stream."""
    for each in stack.integrations_facing_agentcore():
        given = each.get("timeoutMilliseconds")
        if given != UNKNOWN and (given is None or int(given) <= DEFAULT_TIMEOUT):
            yield (
                each,
                (
                    "The integration ends every answer after 29 s, in the middle of a word. Declare "
                    "timeoutMilliseconds, up to 900000."
                ),
            )


def address(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """Mechanism 2: the path, the qualifier and the account."""
    for each in stack.integrations_facing_agentcore():
        uri = str(each.get("uri"))
        if uri == UNKNOWN:
            continue
        if not ADDRESS.fullmatch(uri):
            yield (
                each,
                (
                    f"The address {uri} does not end in /runtimes/<id>/invocations; AgentCore answers other paths "
                    "with 401 Missing Authentication Token, and an escaped ARN is escaped again on the way. Use the "
                    "runtime's id."
                ),
            )
        mapping = each.get("requestParameters") or {}
        for name in ("qualifier", "accountId"):
            mapped = mapping == UNKNOWN or f"integration.request.querystring.{name}" in mapping
            if not (mapped or f"{name}=" in uri):
                yield (
                    each,
                    (
                        f"The address carries no {name}, without which AgentCore cannot find the runtime by its id: "
                        f"every request fails with 400 or 404. Map integration.request.querystring.{name}."
                    ),
                )


def nothing_buffers(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """What STREAM forbids: cache, compression, response templates, content handling.

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html
    """
    for each, what in (*_conversions(stack), *_whole_answers(stack)):
        yield each, f"{what} Streaming ends, or the deployment is refused. Remove it."


def _conversions(stack: Stack) -> Iterator[tuple[Declared, str]]:
    streaming = {(each.get("resourceId"), each.get("httpMethod")) for each in stack.integrations_facing_agentcore()}
    for each in stack.integrations_facing_agentcore():
        if each.get("contentHandling"):
            yield each, "contentHandling converts the answer as a whole."
    for each in stack.all(INTEGRATION_RESPONSE):
        # While ids are unknown every resource looks alike; the method then tells.
        here = (each.get("resourceId"), each.get("httpMethod"))
        if here in streaming and (each.get("responseTemplates") or each.get("contentHandling")):
            yield each, "The response template needs the whole answer."


def _whole_answers(stack: Stack) -> Iterator[tuple[Declared, str]]:
    for each in stack.all(REST_API):
        if each.get("minimumCompressionSize") not in (None, "", "-1"):
            yield each, "minimumCompressionSize has the gateway compress answers as a whole."
    for each in stack.all(STAGE):
        if each.get("cacheClusterEnabled"):
            yield each, "cacheClusterEnabled stores whole answers."
    for each in stack.all(METHOD_SETTINGS):
        if each.get("settings", "cachingEnabled") is True:
            yield each, f"cachingEnabled stores whole answers of {each.get('methodPath')}."


def endpoint_version(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """A named endpoint without a version stays on the one it was made with."""
    for each in stack.all(RUNTIME_ENDPOINT):
        version = each.get("agentRuntimeVersion")
        if version is None or (known(version) and not str(version).isdigit()):
            yield (
                each,
                (
                    "The endpoint is given no version, so it goes on serving the code it was made with, whatever is "
                    "deployed. Pass the runtime's agent_runtime_version."
                ),
            )
