"""Prints the resource graph: ``python -m local graph [--stack S] [--type T] [--json]``.

Lists components in the order in which a request meets them, their resources below them, and each resource's most
important inputs. The JSON has all inputs, with policies and schemas as objects. Neither form shows secrets.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from local.program.evaluate import evaluate, read_settings
from local.program.graph import Graph, ProgramError, Resource
from local.program.provider import MockProvider

CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
"""The id of CloudFront's managed cache policy CachingDisabled, the same in every account."""

SECRET = "[secret]"  # noqa: S105 - the placeholder for a secret

MAX_COLUMNS = 120
"""Columns; a longer line is hard to read on any screen."""

REQUEST_ORDER = (
    "Identity",
    "Website",
    "Firewall",
    "StreamingApi",
    "ApiDomain",
    "PrivateEdge",
    "ResourcePolicy",
    "Runtime",
    "Memory",
    "OriginSecret",
    "CodePackage",
    "ContainerImage",
    "Observability",
)
"""The components as a request meets them; others come last."""

# By type, the inputs that tell resources apart or decide what they do; a dot leads to a nested input.
SHOWN: Mapping[str, Sequence[str]] = {
    "UserPool": ("userPoolTier", "mfaConfiguration", "deletionProtection"),
    "UserPoolClient": ("explicitAuthFlows", "idTokenValidity", "refreshTokenValidity", "refreshTokenRotation.feature"),
    "UserPoolDomain": ("domain", "managedLoginVersion"),
    "AgentcoreAgentRuntime": ("networkConfiguration.networkMode", "platformVersion"),
    "AgentcoreAgentRuntimeEndpoint": ("name",),
    "AgentcoreMemory": ("eventExpiryDuration",),
    "RestApi": ("endpointConfiguration.types", "securityPolicy", "endpointAccessMode"),
    "Authorizer": ("type", "identityValidationExpression", "authorizerResultTtlInSeconds"),
    "Method": ("httpMethod", "authorization", "authorizationScopes", "apiKeyRequired"),
    "Integration": ("type", "responseTransferMode", "timeoutMilliseconds"),
    "Response": ("responseType", "statusCode"),
    "Stage": ("stageName", "xrayTracingEnabled"),
    "MethodSettings": ("methodPath", "settings.throttlingRateLimit", "settings.throttlingBurstLimit"),
    "WebAcl": ("scope", "rules"),
    "IpSet": ("ipAddressVersion", "addresses"),
    "LogGroup": ("name", "retentionInDays"),
    "LogMetricFilter": ("pattern",),
    "MetricAlarm": ("metricName", "threshold"),
    "RolePolicyAttachment": ("policyArn",),
    "TopicSubscription": ("protocol", "endpoint"),
    "BucketObjectv2": ("key", "contentType", "cacheControl"),
    "Certificate": ("domainName",),
    "Distribution": ("aliases", "priceClass", "viewerCertificate.minimumProtocolVersion"),
    "OriginAccessControl": ("signingBehavior",),
    "ResponseHeadersPolicy": ("securityHeadersConfig.contentSecurityPolicy.contentSecurityPolicy",),
    "RandomPassword": ("length",),
}


def _runtime(inputs: Mapping[str, Any]) -> Iterator[str]:
    """Which tokens it accepts, which headers reach the agent, how long a microVM lives."""
    jwt = _nested(inputs, "authorizerConfiguration.customJwtAuthorizer") or {}
    for name in ("allowedAudiences", "allowedClients", "allowedScopes"):
        if jwt.get(name):
            yield f"{name}={','.join(jwt[name])}"
    listed = _nested(inputs, "requestHeaderConfiguration.requestHeaderAllowlists") or []
    yield f"requestHeaderAllowlists={','.join(listed)}"
    for life in inputs.get("lifecycleConfigurations") or ():
        yield from (f"{name}={value}" for name, value in sorted(life.items()))


def _mapped(inputs: Mapping[str, Any]) -> Iterator[str]:
    """The gateway's mapping to the back end's headers."""
    prefix = "integration.request.header."
    for target, source in sorted((inputs.get("requestParameters") or {}).items()):
        if target.startswith(prefix):
            yield f"{target.removeprefix(prefix)}={source}"


def _behaviors(inputs: Mapping[str, Any]) -> Iterator[str]:
    """CloudFront's origin for each path, and whether responses are cached and compressed."""
    hosts = {
        each["originId"]: f"{each['domainName']}{each.get('originPath', '')}" for each in inputs.get("origins") or ()
    }
    for each in (*(inputs.get("orderedCacheBehaviors") or ()), inputs.get("defaultCacheBehavior") or {}):
        cached = "not cached" if each.get("cachePolicyId") == CACHING_DISABLED else "cached"
        compressed = "compressed" if each.get("compress") else "not compressed"
        host = hosts.get(each.get("targetOriginId", ""), "…")
        yield f"{each.get('pathPattern', '*')}={host} ({cached}, {compressed})"


def _policy(key: str) -> Callable[[Mapping[str, Any]], Iterator[str]]:
    """What a policy document allows and denies: one fact for each statement, without its resources."""

    def facts(inputs: Mapping[str, Any]) -> Iterator[str]:
        for statement in (_as_object(inputs.get(key)) or {}).get("Statement", ()):
            principal = statement.get("Principal")
            named = principal.get("Service", principal.get("AWS", "*")) if isinstance(principal, dict) else principal
            subject = [",".join(_listed(named))] if principal else []
            actions = ",".join(_listed(statement.get("Action", "*")))
            condition = [f"if {','.join(statement['Condition'])}"] if statement.get("Condition") else []
            yield " ".join([*subject, statement["Effect"].lower(), actions, *condition])

    return facts


DERIVED: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "AgentcoreAgentRuntime": _runtime,
    "AgentcoreResourcePolicy": _policy("policy"),
    "BucketPolicy": _policy("policy"),
    "Distribution": _behaviors,
    "Integration": _mapped,
    "Role": _policy("assumeRolePolicy"),
    "RolePolicy": _policy("policy"),
}
"""By type, facts that are taken from nested or several inputs."""


def print_graph(stack: str, as_json: bool, only: Sequence[str] = ()) -> None:
    """Evaluate a stack with mocked outputs and print its resources.

    Args:
        stack: its name.
        as_json: print JSON.
        only: print only resources whose type contains one of these words; empty for all.

    Raises:
        ProgramError: when the stack cannot be evaluated, or has no resource of such a type.
    """
    graph = redacted(evaluate(stack, MockProvider(read_settings(stack).get("aws:region", ""))))
    found = [each for each in graph.resources if _is_wanted(each, only)]
    if only and not found:
        kinds = ", ".join(sorted({_kind(each) for each in graph.resources if each.custom}))
        raise ProgramError(f"The {stack} stack declares nothing of the type {' or '.join(only)}: it declares {kinds}.")
    if as_json:
        wanted = dataclasses.replace(graph, resources=tuple(found))
        print(json.dumps(_objects(dataclasses.asdict(wanted)), indent=1, sort_keys=True))
    else:
        print("\n".join(listing(graph, found, min(shutil.get_terminal_size((80, 24)).columns, MAX_COLUMNS))))


def _is_wanted(resource: Resource, only: Sequence[str]) -> bool:
    return not only or any(word.lower() in resource.type.lower() for word in only)


def redacted(graph: Graph) -> Graph:
    """The same graph with every secret input and whatever repeats its values replaced."""
    hidden = {*_secret_texts(graph), *graph.secrets}

    def hide(value: Any) -> Any:
        if isinstance(value, str):
            return SECRET if any(secret in value for secret in hidden) else value
        if isinstance(value, Mapping):
            return {key: hide(item) for key, item in value.items()}
        return [hide(item) for item in value] if isinstance(value, list | tuple) else value

    resources = tuple(
        dataclasses.replace(each, inputs=hide(each.inputs), outputs=hide(each.outputs)) for each in graph.resources
    )
    return dataclasses.replace(graph, resources=resources, outputs=hide(graph.outputs), secrets=())


def _secret_texts(graph: Graph) -> Iterator[str]:
    """The generated passwords and API keys, of which every secret value is made."""
    for each in graph.resources:
        if each.type == "random:index/randomPassword:RandomPassword":
            yield each.outputs["result"]
        if each.type == "aws:apigateway/apiKey:ApiKey":
            yield each.outputs["value"]


def listing(graph: Graph, resources: Sequence[Resource], width: int) -> Iterator[str]:
    """The lines of a graph: components as headings, their resources below; no word is broken."""
    custom = sum(1 for each in graph.resources if each.custom)
    yield f"{graph.project} {graph.stack}: {custom} resources in {len(graph.resources) - custom} components"
    named = {each.urn: each for each in graph.resources}
    prefix = f"{graph.project}-{graph.stack}-"  # every name begins with it
    shown = [each for each in resources if each.custom or not any(one.parent == each.urn for one in graph.resources)]
    last = ""
    for each in sorted(shown, key=lambda one: _sort_key(_path(one, named))):  # as declared within a component
        path = _path(each, named)
        if path != last:
            yield from ("", path)
            last = path
        yield f"  {_kind(each)}  {each.name.removeprefix(prefix)}"
        facts = " · ".join(_facts(each))
        yield from _indented(facts, width)


def _indented(text: str, width: int) -> list[str]:
    """A text in lines of whole words, below the name that it belongs to."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=" " * 6,
        subsequent_indent=" " * 6,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sort_key(path: str) -> tuple[int, str]:
    outermost = path.partition("/")[0]
    return (REQUEST_ORDER.index(outermost) if outermost in REQUEST_ORDER else len(REQUEST_ORDER), path)


def _path(resource: Resource, named: Mapping[str, Resource]) -> str:
    """The components around a resource, outermost first."""
    parent = named.get(resource.parent)
    return "" if parent is None else "/".join(part for part in (_path(parent, named), _kind(parent)) if part)


def _kind(resource: Resource) -> str:
    return resource.type.rpartition(":")[2]


def _facts(resource: Resource) -> Iterator[str]:
    kind = _kind(resource)
    for name in SHOWN.get(kind, ()):
        value = _nested(resource.inputs, name)
        if value is not None:
            yield f"{name.rpartition('.')[2]}={_brief(value)}"
    if kind in DERIVED:
        yield from DERIVED[kind](resource.inputs)
    yield from (mark for mark, on in (("protected", resource.protect), ("retained", resource.retain_on_delete)) if on)


def _nested(inputs: Mapping[str, Any], name: str) -> Any:
    value: Any = inputs
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _brief(value: Any) -> str:
    if isinstance(value, list):
        named = [item.get("name", "…") if isinstance(item, Mapping) else str(item) for item in value]
        return ", ".join(named)
    return value if isinstance(value, str) else json.dumps(value)


def _listed(value: Any) -> list[str]:
    """A policy's member that may be one value or several."""
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _as_object(text: Any) -> Any:
    """The JSON object that a string holds; None when it holds none."""
    if not (isinstance(text, str) and text.startswith("{")):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _objects(value: Any) -> Any:
    """The same value with every string that holds a JSON object parsed."""
    if isinstance(value, str):
        found = _as_object(value)
        return value if found is None else found
    if isinstance(value, Mapping):
        return {key: _objects(item) for key, item in value.items()}
    return [_objects(item) for item in value] if isinstance(value, list | tuple) else value
