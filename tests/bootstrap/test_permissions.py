"""The permissions of the deploying roles: every declared type has its own, every action exists, nothing grows alone."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.model import ServiceModel

from bootstrap.documents import (
    AGENT_AT_MOST,
    MANAGED_POLICY_CHARACTERS,
    NEEDS_BOUNDARY,
    PARTS,
    documents,
    needed,
    reading,
    statements,
)
from bootstrap.permissions import NEEDED, NEEDS_NOTHING
from bootstrap.reference import page
from local import ROOT
from local.program.graph import Graph
from tests.infra.aws_calls import CALLS
from tests.infra.aws_models import Call
from tests.infra.graphs import ENVIRONMENTS, environment_graph

BOUNDARY = "arn:aws:iam::123456789012:policy/delivery/agent-stream-boundary"

# IAM's service prefix: botocore's name of the service, where they differ.
SERVICES = {
    "apigateway": "apigateway",
    "bedrock-agentcore": "bedrock-agentcore-control",
    "ecr": "ecr",
    "elasticloadbalancing": "elbv2",
}

# Actions that are no operation of the service's API, or are called otherwise: IAM's own names.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html and its neighbours
NAMED_OTHERWISE = {
    "apigateway:SetWebACL",
    "cognito-idp:AssociateWebACL",
    "cognito-idp:DisassociateWebACL",
    "cognito-idp:GetWebACLForResource",
    "apigateway:UpdateRestApiPolicy",
    "iam:PassRole",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:UpdateLogDelivery",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersion",
    "s3:GetAccelerateConfiguration",
    "s3:GetBucketCORS",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetObjectVersion",
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:ListTagsForResource",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration",
    "s3:TagResource",
    "s3:UntagResource",
}
RENAMED = {
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "apigatewayv2:CreateVpcLink": "apigateway:POST",
}
# What awsx declares for each of its components, of the resources that this program asks it for.
CALLS_OF_AWSX = {
    "awsx:ec2:Vpc": [
        Call("ec2", operation)
        for operation in (
            "CreateVpc",
            "CreateSubnet",
            "CreateRouteTable",
            "AssociateRouteTable",
            "CreateInternetGateway",
        )
    ],
    "awsx:ecr:Image": [Call("ecr", operation) for operation in ("GetAuthorizationToken", "PutImage")],
    "awsx:ecr:Repository": [Call("ecr", operation) for operation in ("CreateRepository", "PutLifecyclePolicy")],
}
AGENT_ACTIONS = {action for grant in AGENT_AT_MOST for action in grant.actions}


def granted() -> set[str]:
    return {action for grants in NEEDED.values() for grant in grants for action in grant.actions}


@cache
def service_model(name: str) -> ServiceModel:
    """botocore's model of a service, whose file takes long to parse."""
    return botocore.session.get_session().get_service_model(name)


def creating(service: str, operation: str) -> str:
    """IAM's action of an operation of the API."""
    if service == "apigateway":
        return f"apigateway:{service_model(service).operation_model(operation).http['method']}"
    prefix = next((iam for iam, name in SERVICES.items() if name == service), service)
    return RENAMED.get(f"{service}:{operation}", f"{prefix}:{operation}")


def test_every_type_that_a_stack_declares_has_its_permissions(any_graph: Graph) -> None:
    declared = {each.type for each in any_graph.resources if each.custom or each.type.startswith("awsx:")}
    known = {*NEEDED, *NEEDS_NOTHING}
    providers = {type_ for type_ in declared if type_.startswith("pulumi:")}
    assert declared - providers - known == set(), "add its line to bootstrap/permissions.py"


def test_what_creates_a_type_is_among_its_permissions() -> None:
    calls_of = {**CALLS, **CALLS_OF_AWSX}
    missing = {
        (type_, creating(call.service, call.operation))
        for type_, calls in calls_of.items()
        for call in calls
        if type_ in NEEDED
        and creating(call.service, call.operation)
        not in {action for grant in NEEDED[type_] for action in grant.actions}
    }
    assert missing == set()


@pytest.mark.parametrize("service", sorted({action.partition(":")[0] for action in granted()}))
def test_every_action_exists(service: str) -> None:
    name = SERVICES.get(service, service)
    operations = set(service_model(name).operation_names)
    methods = {"GET", "POST", "PUT", "PATCH", "DELETE"} if service == "apigateway" else set()
    actions = {action for action in granted() if action.startswith(f"{service}:")} - NAMED_OTHERWISE
    assert {action for action in actions if action.partition(":")[2] not in operations | methods} == set()


def test_no_exception_is_left_over() -> None:
    assert granted() >= NAMED_OTHERWISE


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_an_environment_needs_none_of_the_optional_parts(stack: str) -> None:
    optional = frozenset().union(*PARTS.values())
    assert {each.type for each in environment_graph(stack).resources} & optional == set()


def test_every_optional_part_is_known() -> None:
    assert frozenset().union(*PARTS.values()) <= set(NEEDED)


@pytest.mark.parametrize("parts", [[], *([part] for part in PARTS), [*PARTS]], ids=str)
def test_a_role_has_room_for_its_policies(parts: list[str]) -> None:
    made = documents(statements(needed(parts), {"STACK": "a-project-with-a-long-name-production"}, BOUNDARY))
    assert len(made) <= 10
    assert all(len(text) <= MANAGED_POLICY_CHARACTERS for text in made)
    held = {action for text in made for each in json.loads(text)["Statement"] for action in each["Action"]}
    assert held == {action for grant in needed(parts) for action in grant.actions}


def test_no_action_is_a_wildcard_and_everything_creatable_names_the_stack() -> None:
    assert not [action for action in granted() if "*" in action]
    for type_, grants in NEEDED.items():
        for grant in grants:
            changes = [
                action for action in grant.actions if not action.partition(":")[2].startswith(("Get", "List", "Des"))
            ]
            if "*" in grant.resources and changes:
                # What makes the ARN that others name, or knows no resources: reviewed one by one.
                reviewed = {
                    "Request",
                    "CreateKey",
                    "CreateAgentRuntime",
                    "CreateMemory",
                    "CreateUserPool",
                    "LogDelivery",
                    "PutResource",
                }
                assert all(any(word in action for word in reviewed) for action in changes), type_


def test_a_role_that_reads_changes_nothing() -> None:
    for grant in reading():
        for action in grant.actions:
            verb = action.partition(":")[2]
            assert verb == "GET" or verb.startswith(("Get", "Describe", "List"))
            assert action not in {"s3:GetObject", "ecr:GetDownloadUrlForLayer"}, "what was deployed"


def test_a_role_is_given_permissions_only_within_the_boundary() -> None:
    for statement in statements(needed([*PARTS]), {}, BOUNDARY):
        if NEEDS_BOUNDARY & set(statement["Action"]):
            assert set(statement["Action"]) <= NEEDS_BOUNDARY
            assert statement["Condition"]["StringEquals"]["iam:PermissionsBoundary"] == BOUNDARY


def test_the_boundary_holds_every_role_that_a_stack_declares(any_graph: Graph) -> None:
    policies = any_graph.all("aws:iam/rolePolicy:RolePolicy")
    assert policies
    for policy in policies:
        document: dict[str, Any] = json.loads(policy.inputs["policy"])
        for statement in document["Statement"]:
            for action in statement["Action"]:
                assert any(fnmatchcase(action, allowed) for allowed in AGENT_ACTIONS), action


def test_the_page_is_current() -> None:
    current = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert current == page(), "run `python -m bootstrap.reference`"
