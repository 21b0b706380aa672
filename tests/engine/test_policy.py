"""The guard rails over what a real engine recorded: the outputs of every resource, as a policy pack is shown them.

A policy pack wants its own language host, which is in whole Pulumi installations alone; so its rules are called here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from contract import Kind
from policy.graph import Declared
from tests.engine.conftest import NewStack
from tests.engine.stacks import EngineStack
from tests.infra.graphs import EVERYTHING
from tests.policy.edits import changed, drop, put
from tests.policy.mutations import stream
from tests.policy.stacks import broken, broken_by_itself

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def recorded(stack: EngineStack, what: str) -> list[Declared]:
    """Every resource of the state with its ``inputs`` or its ``outputs``, secrets in clear as a policy sees them."""
    return [
        Declared(each["type"], each["urn"].rpartition("::")[2], each["urn"], plain(each.get(what, {})))
        for each in stack.resources()
        if not each["type"].startswith("pulumi:")
    ]


def plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return json.loads(value["plaintext"]) if "plaintext" in value else {k: plain(v) for k, v in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["prod", "everything"])
def test_nothing_is_found_in_a_stack_as_it_is_deployed(deployed: NewStack, name: str) -> None:
    stack = deployed("dev", **EVERYTHING) if name == "everything" else deployed(name)
    assert broken(recorded(stack, "outputs")) == {}
    assert broken_by_itself(recorded(stack, "inputs")) == {}


def test_a_mechanism_that_is_undone_is_found_among_them(deployed: NewStack) -> None:
    stack = deployed("prod")
    outputs, inputs = recorded(stack, "outputs"), recorded(stack, "inputs")
    assert list(broken_by_itself(stream(drop("responseTransferMode"))(inputs))) == ["stream-to-agentcore"]
    unguarded = [each for each in outputs if each.type != Kind.WEB_ACL_ASSOCIATION]
    assert list(broken(unguarded)) == ["web-acl-on-stage"]
    elsewhere = changed(Kind.RUNTIME_ENDPOINT, put("0", "agentRuntimeVersion"))(outputs)
    assert list(broken(elsewhere)) == ["endpoint-follows-the-runtime"]
