"""A stage serves a snapshot: it must be taken anew whenever anything in it changes, and left alone otherwise."""

from __future__ import annotations

from typing import Any, cast

import pulumi
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from infra.api import StreamingApi
from local.program.evaluate import evaluate
from local.program.graph import Graph
from local.program.provider import MockProvider
from tests.infra.graphs import environment_graph, stack_settings, variation

DEPLOYMENT = "aws:apigateway/deployment:Deployment"
SERVED = (
    *("RestApi", "Authorizer", "Resource", "Method", "Integration", "MethodResponse", "IntegrationResponse"),
    *("Response", "Model", "RequestValidator"),
)


def snapshot(graph: Graph) -> str:
    hashed = graph.one(DEPLOYMENT).inputs["triggers"]["inputs"]
    assert isinstance(hashed, str)
    return hashed


def served_inputs() -> list[tuple[str, str]]:
    """Every input of every part of the API that a snapshot holds, as the resource's name and the input's."""
    return [
        (f"{each.type} {each.name}", name)
        for each in environment_graph("dev").resources
        if each.type.startswith("aws:apigateway/") and each.type.rpartition(":")[2] in SERVED
        for name in each.inputs
        if name != "tags"
    ]


@given(which=st.deferred(lambda: st.sampled_from(served_inputs())), value=st.text(min_size=1, max_size=8))
# No shrinking: a failing example already names one input, and each try evaluates the program.
@settings(
    max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_change_of_any_input_is_a_new_snapshot(
    which: tuple[str, str], value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource, changed_input = which
    record = StreamingApi._record

    def meddle(self: StreamingApi, args: pulumi.ResourceTransformationArgs) -> None:
        """Change the input as if the program declared it so."""
        if f"{args.type_} {args.name}" == resource:
            (snake,) = (name for name in args.props if name.replace("_", "") == changed_input.lower())
            cast("dict[str, object]", args.props)[snake] = f"changed to {value!r}"
        record(self, args)

    with monkeypatch.context() as patch:
        patch.setattr(StreamingApi, "_record", meddle)
        graph = evaluate("dev", MockProvider(stack_settings("dev")["aws:region"]), settings=stack_settings("dev"))
    assert snapshot(graph) != snapshot(environment_graph("dev"))


@pytest.mark.parametrize(
    "changes",
    [
        {"api": {"throttleRate": 19}},
        {"firewall": {"requestsPerAddress": 100}},
        {"observability": {"logRetentionDays": 30, "alarms": True}},
        {"identity": {"idTokenMinutes": 30}},
        {"runtime": {"idleSessionSeconds": 1200}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_change_elsewhere_leaves_the_snapshot_alone(changes: dict[str, dict[str, Any]]) -> None:
    assert snapshot(variation("dev", **changes)) == snapshot(environment_graph("dev"))


@pytest.mark.parametrize(
    "changes",
    [
        {"api": {"timeoutSeconds": 60}},
        {"api": {"allowedOrigin": "https://other.example"}},
        {"api": {"timeoutSeconds": 30}},
        {"api": {"teams": {"sales": {}}}},
        {"runtime": {"endpointName": "live"}},
        {"runtime": {"originSecret": {"sent": 2, "alsoAccepted": 1}}},
    ],
    ids=str,
)
def test_a_setting_that_the_stage_serves_is_a_new_snapshot(changes: dict[str, dict[str, Any]]) -> None:
    assert snapshot(variation("dev", **changes)) != snapshot(environment_graph("dev"))
