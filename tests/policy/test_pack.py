"""The policy pack as Pulumi runs it: its own process, asked over gRPC about a whole stack.

Only the Pulumi CLI is missing here. The question is made like the engine's, which sends the outputs of every resource:
in a first preview the inputs, and everything that the provider may still fill in as unknown.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator

import grpc  # type: ignore[import-untyped]  # it ships no types
import pytest
from google.protobuf import json_format
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from contract import Kind
from local import ROOT
from policy.graph import Declared
from policy.rules import RULES
from tests.infra.graphs import environment_graph
from tests.policy.edits import changed, drop, put, statement
from tests.policy.mutations import ROLE_POLICY, calling_agentcore
from tests.policy.stacks import as_inputs, declared, first_preview


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


def findings(
    pack: analyzer_pb2_grpc.AnalyzerStub, resources: Iterable[Declared]
) -> list[analyzer_pb2.AnalyzeDiagnostic]:
    """What the pack says of a whole stack, at its end."""
    request = analyzer_pb2.AnalyzeStackRequest()
    for each in resources:
        resource = request.resources.add(type=each.type, urn=each.urn, name=each.name)
        json_format.ParseDict(dict(each.outputs), resource.properties)
    return list(pack.AnalyzeStack(request).diagnostics)


def findings_before(
    pack: analyzer_pb2_grpc.AnalyzerStub, resources: Iterable[Declared]
) -> list[analyzer_pb2.AnalyzeDiagnostic]:
    """What it says of each resource's inputs, before the resource is made."""
    found: list[analyzer_pb2.AnalyzeDiagnostic] = []
    for each in resources:
        request = analyzer_pb2.AnalyzeRequest(type=each.type, urn=each.urn, name=each.name)
        json_format.ParseDict(dict(each.outputs), request.properties)
        found += pack.Analyze(request).diagnostics
    return found


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_nothing_is_found_in_the_inputs_of_a_first_preview(pack: analyzer_pb2_grpc.AnalyzerStub, stack: str) -> None:
    assert findings_before(pack, as_inputs(first_preview(stack))) == []


def test_a_line_that_is_missing_is_reported_before_the_resource_is_made_and_once(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    edited = changed(Kind.INTEGRATION, drop("responseTransferMode"), where=calling_agentcore)
    (found,) = findings_before(pack, edited(as_inputs(first_preview("prod"))))
    assert (found.policyName, found.enforcementLevel) == ("stream-to-agentcore", analyzer_pb2.MANDATORY)
    assert findings(pack, edited(declared(environment_graph("prod")))) == []


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_nothing_is_found_and_no_rule_gives_up_in_a_first_preview(
    pack: analyzer_pb2_grpc.AnalyzerStub, stack: str
) -> None:
    assert findings(pack, declared(first_preview(stack))) == []


def test_nothing_is_found_in_production(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    assert findings(pack, declared(environment_graph("prod"))) == []


def test_a_violation_is_reported_at_its_resource_and_stops_the_deployment(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    resources = declared(environment_graph("prod"))
    stream = next(each for each in resources if each.type == Kind.INTEGRATION and calling_agentcore(dict(each.outputs)))
    buffered = changed(Kind.INTEGRATION, put("BUFFERED", "responseTransferMode"), where=calling_agentcore)
    (found,) = findings_before(pack, buffered(resources))
    assert (found.policyName, found.urn) == ("stream-to-agentcore", stream.urn)
    assert found.enforcementLevel == analyzer_pb2.MANDATORY


def test_a_rule_that_fails_is_a_violation_too(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    broken = changed(ROLE_POLICY, put("{", "policy"))(declared(environment_graph("prod")))
    found, *_ = findings_before(pack, broken)
    assert (found.policyName, found.enforcementLevel) == ("least-privilege", analyzer_pb2.MANDATORY)
    assert "JSONDecodeError" in found.message
    found, *_ = findings(pack, broken)
    assert (found.policyName, "JSONDecodeError" in found.message) == ("least-privilege-across-resources", True)


def test_a_mistake_between_resources_is_reported_at_the_end(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    other = changed(ROLE_POLICY, statement("policy", Action="s3:GetObject", Resource="arn:aws:s3:::another/agent-*"))
    resources = other(declared(environment_graph("prod")))
    assert findings_before(pack, resources) == []
    found, *_ = findings(pack, resources)
    assert (found.policyName, "another stack" in found.message) == ("least-privilege-across-resources", True)


def test_started_by_a_person_it_says_what_it_is_and_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "policy"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "--policy-pack policy" in done.stdout) == (0, True)
    assert [rule.name for rule in RULES if f"  {rule.name} " not in done.stdout] == []
