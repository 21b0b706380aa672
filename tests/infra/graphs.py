"""Graphs for the tests. Each is evaluated once for the present sources: a graph is a value, so tests share it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

from local.program.evaluate import evaluate, known_stacks, project_name, read_settings
from local.program.graph import Graph, Resource
from local.program.provider import MockProvider
from tests.infra.graph_cache import kept

ENVIRONMENTS = tuple(sorted(known_stacks()))
"""Every environment that has a stack file; a new one is tested like the others."""

PROJECT = project_name()


@cache
def _read(stack: str) -> Mapping[str, str]:
    return MappingProxyType(read_settings(stack))


def stack_settings(stack: str) -> dict[str, str]:
    """A stack's settings, to be changed at will; the file is read once."""
    return dict(_read(stack))


@cache
def environment_graph(stack: str) -> Graph:
    """The graph of one environment with everything known."""
    return kept(stack, lambda: evaluate(stack, MockProvider(stack_settings(stack)["aws:region"])))


def changed_settings(stack: str, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """A stack's settings with some keys of some sections replaced; None removes a key."""
    settings = stack_settings(stack)
    for section, values in changes.items():
        key = f"{PROJECT}:{section}"
        merged = {**json.loads(settings.get(key, "{}")), **values}
        settings[key] = json.dumps({name: value for name, value in merged.items() if value is not None})
    return settings


def variation(stack: str = "dev", **changes: Mapping[str, Any]) -> Graph:
    """The graph of an environment whose settings differ by the given sections."""
    return _variation(stack, json.dumps(changes, sort_keys=True))


@cache
def _variation(stack: str, changes: str) -> Graph:
    settings = changed_settings(stack, json.loads(changes))

    def vary() -> Graph:
        with a_built_page():
            return evaluate(stack, MockProvider(settings["aws:region"]), settings=settings)

    return kept(f"{stack} {changes}", vary)


A_PAGE = Path(__file__).parent / "page"


def a_built_page(folder: Path | None = A_PAGE) -> AbstractContextManager[object]:
    """A small page in place of the built one, which not every machine has; None for a machine without."""
    return mock.patch("infra.website.built_page", return_value=folder)


EVERYTHING: dict[str, dict[str, Any]] = {
    "identity": {
        "firewall": True,
        "groups": ["admins"],
        "threatProtection": "audit",
        "tier": "PLUS",
        "refreshTokenRotation": False,
    },
    "firewall": {
        "bodyLimitKb": 48,
        "anonymousAddresses": True,
        "botControl": True,
        "onlyAddresses": ["192.0.2.0/24", "2001:db8::/32"],
        "blockedAddresses": ["198.51.100.0/24"],
    },
    "api": {
        "teams": {"sales": {}, "operations": {"rate": 1}},
        "domain": {"name": "agent.example.com", "hostedZoneId": "Z0123456789"},
        "accountLogRole": True,
    },
    "runtime": {
        "customerKey": True,
        "artifact": "container",
        "bypassProtection": "private",
        "memoryDays": 7,
        "endpointName": "live",
        "guardrailId": "abc123",
        "guardrailVersion": "1",
        "originSecret": {"sent": 2, "alsoAccepted": 1},
        "telemetry": True,
        "network": "VPC",
        "subnetIds": ["subnet-0123456789abcdef0"],
        "securityGroupIds": ["sg-0123456789abcdef0"],
    },
    "network": {},
    "observability": {"subscribers": ["a@example.com", "https://example.com/alarms"], "alarms": True},
}
"""Settings of a development stack that use every optional part."""


WEBSITE: dict[str, dict[str, Any]] = {
    "identity": {"callbackUrls": ["https://chat.example.com/"]},
    "firewall": {
        "anonymousAddresses": True,
        "onlyAddresses": ["192.0.2.0/24", "2001:db8::/32"],
        "blockedAddresses": ["198.51.100.0/24"],
    },
    "website": {
        "domain": "chat.example.com",
        "hostedZoneId": "Z0123456789",
        "secret": {"sent": 2, "alsoAccepted": 1},
    },
}
"""Settings of a stack with a page of its own, which goes with no API keys and so is no part of `EVERYTHING`."""

VARIATIONS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {"everything": EVERYTHING, "website": WEBSITE}
"""Development stacks that together use every optional part."""


def any_stack(name: str) -> Graph:
    """The graph of an environment or of one of `VARIATIONS`, by its name."""
    return variation("dev", **VARIATIONS[name]) if name in VARIATIONS else environment_graph(name)


def stage_web_acl(graph: Graph) -> Resource:
    """The web ACL that stands on the stage; CloudFront's is another."""
    (found,) = (each for each in graph.all("aws:wafv2/webAcl:WebAcl") if each.inputs["scope"] == "REGIONAL")
    return found


def role_statements(graph: Graph) -> list[dict[str, Any]]:
    """What the agent's role is granted, of all its policies."""
    agents = [
        each
        for each in graph.all("aws:iam/rolePolicy:RolePolicy")
        if f"{graph.project}-{graph.stack}-agent-" in each.name
    ]
    return [statement for each in agents for statement in json.loads(each.inputs["policy"])["Statement"]]


def waits_for(graph: Graph, resource: Resource) -> set[str]:
    """The URNs of everything that is made before a resource is, however indirectly it asks for it."""
    wanted = {each.urn: each.depends_on for each in graph.resources}
    found: set[str] = set()
    open_ = list(resource.depends_on)
    while open_:
        urn = open_.pop()
        if urn not in found:
            found.add(urn)
            open_ += wanted.get(urn, ())
    return found
