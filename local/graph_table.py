"""The resource graph for people: ``python -m local graph [--stack S] [--json]``.

One row a resource, each under its component, with the inputs that decide what the resource does; everything else is
in the JSON. Secrets are never shown, in either form.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from local.evaluate import evaluate, read_settings
from local.graph import Graph, Resource
from local.provider import ImaginedProvider

SECRET = "[secret]"  # noqa: S105 - what is shown in place of one

PIPE_WIDTH = 160

# What tells one resource of a type from another, or decides what it does; dotted below the input's name.
SHOWN: Mapping[str, Sequence[str]] = {
    "UserPool": ("userPoolTier", "mfaConfiguration", "deletionProtection"),
    "UserPoolClient": ("explicitAuthFlows", "idTokenValidity", "refreshTokenValidity"),
    "UserPoolDomain": ("domain", "managedLoginVersion"),
    "AgentcoreAgentRuntime": ("networkConfiguration.networkMode", "platformVersion"),
    "AgentcoreAgentRuntimeEndpoint": ("name",),
    "AgentcoreMemory": ("eventExpiryDuration",),
    "RestApi": ("endpointConfiguration.types", "securityPolicy", "endpointAccessMode"),
    "Authorizer": ("type", "identityValidationExpression"),
    "Method": ("httpMethod", "authorization", "apiKeyRequired"),
    "Integration": ("type", "responseTransferMode", "timeoutMilliseconds"),
    "Response": ("responseType", "statusCode"),
    "Stage": ("stageName", "xrayTracingEnabled"),
    "MethodSettings": ("methodPath", "settings.throttlingRateLimit", "settings.throttlingBurstLimit"),
    "WebAcl": ("scope", "rules"),
    "IpSet": ("ipAddressVersion", "addresses"),
    "LogGroup": ("name", "retentionInDays"),
    "LogMetricFilter": ("pattern",),
    "MetricAlarm": ("metricName", "threshold"),
    "TopicSubscription": ("protocol", "endpoint"),
    "BucketObjectv2": ("key",),
    "RandomPassword": ("length",),
}


def print_graph(stack: str, as_json: bool) -> None:
    """Evaluate a stack with imagined answers and print what it declares.

    Raises:
        ProgramError: when the stack cannot be evaluated.
    """
    graph = redacted(evaluate(stack, ImaginedProvider(read_settings(stack).get("aws:region", ""))))
    if as_json:
        print(graph.to_json())
    else:
        console = Console()
        # A pipe has no width of its own; a narrow guess would fold every cell.
        (console if console.is_terminal else Console(width=PIPE_WIDTH)).print(table(graph))


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
    """The generated passwords and keys: what every secret value is made of."""
    for each in graph.resources:
        if each.type == "random:index/randomPassword:RandomPassword":
            yield each.outputs["result"]
        if each.type == "aws:apigateway/apiKey:ApiKey":
            yield each.outputs["value"]


def table(graph: Graph) -> Table:
    """The graph as a table: components in the order of their names, resources below theirs."""
    custom = sum(1 for each in graph.resources if each.custom)
    title = f"{graph.project} {graph.stack}: {custom} resources in {len(graph.resources) - custom} components"
    shown = Table(title=title, title_justify="left")
    for column in ("component", "type", "name", "decides"):
        shown.add_column(column, overflow="fold")
    named = {each.urn: each for each in graph.resources}
    prefix = f"{graph.project}-{graph.stack}-"  # every name begins with it
    last = ""
    for each in sorted(graph.resources, key=lambda one: (_path(one, named), one.type, one.name)):
        if not each.custom and any(one.parent == each.urn for one in graph.resources):
            continue  # a component is the heading of its children
        path = _path(each, named)
        shown.add_row(path if path != last else "", _kind(each), each.name.removeprefix(prefix), _decisive(each))
        last = path
    return shown


def _path(resource: Resource, named: Mapping[str, Resource]) -> str:
    """The components around a resource, outermost first."""
    parent = named.get(resource.parent)
    return "" if parent is None else "/".join(part for part in (_path(parent, named), _kind(parent)) if part)


def _kind(resource: Resource) -> str:
    return resource.type.rpartition(":")[2]


def _decisive(resource: Resource) -> str:
    facts = [
        f"{name.rpartition('.')[2]}={_brief(_dig(resource.inputs, name))}" for name in SHOWN.get(_kind(resource), ())
    ]
    marks = [mark for mark, on in (("protected", resource.protect), ("kept", resource.retain_on_delete)) if on]
    return " ".join([*(fact for fact in facts if not fact.endswith("=None")), *marks])


def _dig(inputs: Mapping[str, Any], name: str) -> Any:
    value: Any = inputs
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _brief(value: Any) -> str:
    if isinstance(value, list):
        named = [item.get("name", "…") if isinstance(item, Mapping) else str(item) for item in value]
        return ",".join(named)
    return value if isinstance(value, str) else json.dumps(value) if value is not None else "None"
