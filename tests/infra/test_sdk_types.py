"""Every input that is declared, however deep, is one that the provider's SDK knows.

The SDK passes the keys of a mapping on as they are, and a provider built on Terraform's plugin framework drops one that
it does not know without a word: an authorizer whose ``allowedAudience`` lacks its s would deploy without an audience.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union

import pulumi
import pytest

from local.program.graph import Graph, Resource
from tests.infra.sdk import arguments


@cache
def keys(cls: Any) -> Mapping[str, Any]:
    """What a class of inputs takes: each key as it goes over the wire, with its type."""
    scope = vars(sys.modules[cls.__module__])
    # ``pulumi.Input`` holds the string "Output[T]"; the provider's modules lack both names, and the SDK adds them.
    names = {"Output": pulumi.Output, "T": NoneType}
    return {
        getattr(member.fget, "_pulumi_name", name): typing.get_type_hints(member.fget, scope, names)["return"]
        for name, member in inspect.getmembers(cls, lambda each: isinstance(each, property))
    }


def unknown(cls: Any, inputs: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The keys of a mapping of inputs that its class does not take."""
    taken = keys(cls)
    for key, value in inputs.items():
        if key not in taken:
            yield f"{path}{key}"
        else:
            yield from below(taken[key], value, f"{path}{key}")


def below(hint: Any, value: Any, path: str) -> Iterator[str]:
    """The unknown keys within a value of some type."""
    classes = [each for each in alternatives(hint) if isinstance(each, type) and pulumi_input(each)]
    if isinstance(value, list):
        inner = [each for each in alternatives(hint) if typing.get_origin(each) in SEQUENCES]
        for index, item in enumerate(value):
            for each in inner:
                yield from below(typing.get_args(each)[0], item, f"{path}[{index}]")
    elif isinstance(value, dict) and classes:
        yield from unknown(classes[0], value, f"{path}.")


SEQUENCES = (list, typing.get_origin(typing.Sequence[int]))


def pulumi_input(cls: type) -> bool:
    return hasattr(cls, "_pulumi_input_type")


def alternatives(hint: Any) -> Iterator[Any]:
    """Every type that a hint allows, looking through inputs, outputs and choices."""
    if typing.get_origin(hint) in (Union, UnionType):
        for each in typing.get_args(hint):
            yield from alternatives(each)
    elif hint is not NoneType:
        yield hint


def misspelt(resource: Resource) -> list[str]:
    return list(unknown(arguments(resource.type), resource.inputs))


def test_every_input_is_one_that_the_sdk_knows(any_graph: Graph) -> None:
    looked_at = [each for each in any_graph.resources if not each.type.startswith("agentstream:")]
    assert {each.name: found for each in looked_at if (found := misspelt(each))} == {}


@pytest.mark.parametrize(
    ("type_", "path"),
    [
        ("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime", "authorizerConfiguration.customJwtAuthorizer.x"),
        ("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime", "x"),
        ("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime", "lifecycleConfigurations[0].x"),
        ("aws:apigateway/restApi:RestApi", "endpointConfiguration.x"),
        ("aws:wafv2/webAcl:WebAcl", "rules[0].statement.x"),
    ],
)
def test_a_misspelt_key_is_found_wherever_it_stands(dev: Graph, type_: str, path: str) -> None:
    resource = dev.all(type_)[0]
    inputs = deep(resource.inputs)
    holder: Any = inputs
    for part in path.split(".")[:-1]:
        name, _, index = part.partition("[")
        holder = holder[name][int(index[:-1])] if index else holder[name]
    holder["x"] = "y"
    assert list(unknown(arguments(type_), inputs)) == [path]


def deep(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: deep(item) for key, item in value.items()}
    return [deep(item) for item in value] if isinstance(value, list) else value
