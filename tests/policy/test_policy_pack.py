"""The policy pack as Pulumi runs it: its own process, asked over gRPC about a whole stack.

Only the Pulumi CLI is missing here; the question is the one that it asks.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import subprocess
import sys
from collections.abc import Iterator

import grpc  # type: ignore[import-untyped]  # it ships no types
import pytest
from google.protobuf import json_format
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from local import ROOT
from local.evaluate import evaluate, read_settings
from local.graph import Graph
from local.provider import UnknownProvider
from policy.graph import INTEGRATION
from tests.infra.graphs import environment_graph

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pulumi_policy") is None, reason="pulumi-policy is not installed"
)


@pytest.fixture(scope="module")
def pack() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """A running policy pack; it prints its port when it is ready."""
    command = [sys.executable, str(ROOT / "policy")]
    with subprocess.Popen(command, cwd=ROOT / "policy", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
        process.kill()


def findings(pack: analyzer_pb2_grpc.AnalyzerStub, graph: Graph) -> list[tuple[str, str]]:
    """The names of the violated policies, each with the resource's address."""
    request = analyzer_pb2.AnalyzeStackRequest()
    for each in graph.resources:
        resource = request.resources.add(type=each.type, urn=each.urn, name=each.name)
        json_format.ParseDict(dict(each.inputs), resource.properties)
    return [(found.policyName, found.urn) for found in pack.AnalyzeStack(request).diagnostics]


def test_nothing_is_found_in_production(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    assert findings(pack, environment_graph("prod")) == []


def test_nothing_is_found_and_no_rule_gives_up_in_a_first_preview(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    graph = evaluate("prod", UnknownProvider(), settings=read_settings("prod"), preview=True)
    assert findings(pack, graph) == []


def test_a_violation_is_reported_at_its_resource(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    graph = environment_graph("prod")
    stream = next(each for each in graph.all(INTEGRATION) if each.inputs["type"] == "HTTP_PROXY")
    changed = dataclasses.replace(stream, inputs={**stream.inputs, "responseTransferMode": "BUFFERED"})
    resources = tuple(changed if each is stream else each for each in graph.resources)
    found = findings(pack, dataclasses.replace(graph, resources=resources))
    assert found == [("stream-to-agentcore", stream.urn)]
