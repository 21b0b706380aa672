"""The benchmark's peer declares the system that the dev stack declares: kind by kind, and by name where there are many.

CDK is not the project's: without it (`make bench` installs it below `.build`) the comparisons are skipped. They are
`whole`, because synthesis takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.synth import SynthError, cdk_folder, synth
from contract import Kind
from local.program.graph import Graph
from tests.infra.graphs import environment_graph

ASSET = "an asset"
"""Not of CloudFormation: a file that the CLI uploads."""

SAME: Mapping[str, tuple[str, str]] = {
    "aws:apigateway/authorizer:Authorizer": ("AWS::ApiGateway::Authorizer", ""),
    "aws:apigateway/deployment:Deployment": ("AWS::ApiGateway::Deployment", ""),
    "aws:apigateway/integration:Integration": ("AWS::ApiGateway::Method", "Integration"),
    "aws:apigateway/integrationResponse:IntegrationResponse": (
        "AWS::ApiGateway::Method",
        "Integration.IntegrationResponses",
    ),
    "aws:apigateway/method:Method": ("AWS::ApiGateway::Method", ""),
    "aws:apigateway/methodResponse:MethodResponse": ("AWS::ApiGateway::Method", "MethodResponses"),
    "aws:apigateway/methodSettings:MethodSettings": ("AWS::ApiGateway::Stage", "MethodSettings"),
    "aws:apigateway/model:Model": ("AWS::ApiGateway::Model", ""),
    "aws:apigateway/requestValidator:RequestValidator": ("AWS::ApiGateway::RequestValidator", ""),
    "aws:apigateway/resource:Resource": ("AWS::ApiGateway::Resource", ""),
    "aws:apigateway/response:Response": ("AWS::ApiGateway::GatewayResponse", ""),
    "aws:apigateway/restApi:RestApi": ("AWS::ApiGateway::RestApi", ""),
    "aws:apigateway/stage:Stage": ("AWS::ApiGateway::Stage", ""),
    "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime": ("AWS::BedrockAgentCore::Runtime", ""),
    "aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy": ("AWS::BedrockAgentCore::ResourcePolicy", ""),
    "aws:cloudwatch/dashboard:Dashboard": ("AWS::CloudWatch::Dashboard", ""),
    "aws:cloudwatch/logGroup:LogGroup": ("AWS::Logs::LogGroup", ""),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": ("AWS::Logs::MetricFilter", ""),
    "aws:cognito/managedLoginBranding:ManagedLoginBranding": ("AWS::Cognito::ManagedLoginBranding", ""),
    "aws:cognito/userPool:UserPool": ("AWS::Cognito::UserPool", ""),
    "aws:cognito/userPoolClient:UserPoolClient": ("AWS::Cognito::UserPoolClient", ""),
    "aws:cognito/userPoolDomain:UserPoolDomain": ("AWS::Cognito::UserPoolDomain", ""),
    "aws:iam/role:Role": ("AWS::IAM::Role", ""),
    "aws:iam/rolePolicy:RolePolicy": ("AWS::IAM::Role", "Policies"),
    "aws:s3/bucket:Bucket": ("AWS::S3::Bucket", ""),
    "aws:s3/bucketObjectv2:BucketObjectv2": (ASSET, ""),
    "aws:s3/bucketPolicy:BucketPolicy": ("AWS::S3::BucketPolicy", ""),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ("AWS::S3::Bucket", "PublicAccessBlockConfiguration"),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "AWS::S3::Bucket",
        "BucketEncryption",
    ),
    "aws:s3/bucketVersioning:BucketVersioning": ("AWS::S3::Bucket", "VersioningConfiguration"),
    "aws:wafv2/webAcl:WebAcl": ("AWS::WAFv2::WebACL", ""),
    "aws:wafv2/webAclAssociation:WebAclAssociation": ("AWS::WAFv2::WebACLAssociation", ""),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": ("AWS::WAFv2::LoggingConfiguration", ""),
    "random:index/randomPassword:RandomPassword": ("AWS::SecretsManager::Secret", ""),
}
"""Pulumi's kind, and where a template has the same: a kind, and the property of it where it is not one of its own."""

Resources = list[dict[str, Any]]


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the peer was synthesized."""
    if not cdk_folder().is_dir():
        pytest.skip("CDK is not installed: `make bench` installs it below .build")
    try:
        return synth(tmp_path_factory.mktemp("cdk")).parent
    except SynthError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def resources(assembly: Path) -> Resources:
    """What its template declares, and its assets; the template is one of them."""
    (template,) = (json.loads(path.read_text(encoding="utf-8")) for path in assembly.glob("*.template.json"))
    (assets,) = (json.loads(path.read_text(encoding="utf-8")) for path in assembly.glob("*.assets.json"))
    uploaded = [each["displayName"] for each in assets["files"].values() if "Template" not in each["displayName"]]
    return [*template["Resources"].values(), *({"Type": ASSET, "Properties": {"name": name}} for name in uploaded)]


@pytest.fixture(scope="module")
def graph() -> Graph:
    """What the dev stack declares."""
    return environment_graph("dev")


def found(resources: Resources, kind: str, path: str = "") -> Iterator[Any]:
    """Every value below a path of a kind's properties; the members of one that is a list."""
    for resource in resources:
        if resource["Type"] == kind:
            value = resource.get("Properties", {})
            for key in filter(None, path.split(".")):
                value = value.get(key, {})
            yield from value if isinstance(value, list) else [value] if value or not path else []


def test_everything_that_the_dev_stack_declares_has_a_counterpart(graph: Graph) -> None:
    declared = {resource.type for resource in graph.resources if not resource.type.startswith("agentstream:")}
    assert declared == set(SAME)


@pytest.mark.whole
@pytest.mark.parametrize("kind", SAME)
def test_the_peer_declares_as_many_of_each_kind(kind: str, graph: Graph, resources: Resources) -> None:
    ours = [resource for resource in graph.resources if resource.type == kind]
    assert len(list(found(resources, *SAME[kind]))) == len(ours)


@pytest.mark.whole
def test_the_peer_declares_nothing_else(resources: Resources) -> None:
    assert {resource["Type"] for resource in resources} == {kind for kind, _ in SAME.values()}


NAMED = [
    ("aws:wafv2/webAcl:WebAcl", "rules", "name", "AWS::WAFv2::WebACL", "Rules", "Name"),
    ("aws:apigateway/response:Response", "", "responseType", "AWS::ApiGateway::GatewayResponse", "", "ResponseType"),
    ("aws:cloudwatch/logMetricFilter:LogMetricFilter", "", "pattern", "AWS::Logs::MetricFilter", "", "FilterPattern"),
    ("aws:apigateway/integration:Integration", "", "type", "AWS::ApiGateway::Method", "Integration", "Type"),
    (
        "aws:apigateway/methodSettings:MethodSettings",
        "settings",
        "throttlingRateLimit",
        "AWS::ApiGateway::Stage",
        "MethodSettings",
        "ThrottlingRateLimit",
    ),
]


@pytest.mark.whole
@pytest.mark.parametrize(("ours", "part", "key", "theirs", "path", "name"), NAMED, ids=[each[0] for each in NAMED])
def test_those_of_which_there_are_many_are_the_same_ones(
    ours: str, part: str, key: str, theirs: str, path: str, name: str, graph: Graph, resources: Resources
) -> None:
    inputs: list[Any] = [resource.inputs for resource in graph.resources if resource.type == ours]
    members = [each[part] if part else each for each in inputs]
    declared = [one for member in members for one in (member if isinstance(member, list) else [member])]
    assert sorted(each[key] for each in declared) == sorted(each[name] for each in found(resources, theirs, path))


@pytest.mark.whole
def test_the_integration_and_the_agent_are_told_the_same(graph: Graph, resources: Resources) -> None:
    (ours,) = (each.inputs for each in graph.resources if each.inputs.get("responseTransferMode") == "STREAM")
    (theirs,) = (
        each
        for each in found(resources, "AWS::ApiGateway::Method", "Integration")
        if each.get("ResponseTransferMode") == "STREAM"
    )
    assert theirs["TimeoutInMillis"] == ours["timeoutMilliseconds"]
    assert theirs["RequestParameters"].keys() == ours["requestParameters"].keys()
    (runtime,) = (each.inputs for each in graph.resources if each.type == Kind.RUNTIME)
    (variables,) = found(resources, "AWS::BedrockAgentCore::Runtime", "EnvironmentVariables")
    assert variables.keys() == runtime["environmentVariables"].keys()
