"""A real stack's deployment, read from what AWS's API answers; and never anything but read."""

from __future__ import annotations

import io
import json
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from client.doctor.aws_deployment import AwsDeployment
from client.doctor.deployment import DeploymentUnavailable, Invocation, ManagedGroup, NotDeployedError, Throttle
from client.outputs import Outputs

URI = "https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes/agent-1/invocations"
SECRET = "a-secret"
PARAMETERS = {"integration.request.header.X-Amzn-Bedrock-AgentCore-Runtime-Custom-Origin-Verify": f"'{SECRET}'"}


class Session:
    """Makes clients that answer from a script."""

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}
        self.stubs: dict[str, Stubber] = {}
        for name in ("apigateway", "wafv2", "logs", "cloudwatch"):
            client: Any = boto3.client(
                name,
                region_name="us-east-1",
                aws_access_key_id="x",
                aws_secret_access_key="x",
            )
            self._clients[name] = client
            self.stubs[name] = Stubber(client)
            self.stubs[name].activate()

    def client(self, name: str) -> Any:
        return self._clients[name]


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def deployment(session: Session) -> AwsDeployment:
    outputs = Outputs(
        region="us-east-1",
        invoke_url="https://api.example/dev/invocations",
        user_pool_id="us-east-1_x",
        user_pool_client_id="client",
        issuer="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x",
        rest_api_id="api1",
        stage_name="dev",
        runtime_id="agent-1",
        stack_name="agent-stream-prod",
    )
    return AwsDeployment(outputs, session=session)


def export(session: Session, integration: dict[str, Any]) -> None:
    post = {"security": [{"users": []}], "x-amazon-apigateway-integration": integration}
    body = io.BytesIO(json.dumps({"paths": {"/invocations": {"post": post}}}).encode())
    session.stubs["apigateway"].add_response(
        "get_export",
        {"body": body, "contentType": "application/json"},
        {"restApiId": "api1", "stageName": "dev", "exportType": "oas30", "parameters": ANY, "accepts": ANY},
    )


def resources(session: Session, verb: str, method: dict[str, Any]) -> None:
    stub = session.stubs["apigateway"]
    items = [{"id": "r1", "path": "/invocations", "resourceMethods": {verb: {}}}]
    stub.add_response("get_resources", {"items": items}, {"restApiId": "api1", "embed": ["methods"]})
    stub.add_response("get_method", method, {"restApiId": "api1", "resourceId": "r1", "httpMethod": verb})


def test_the_stage_is_read_from_its_export(session: Session, deployment: AwsDeployment) -> None:
    export(
        session,
        {"uri": URI, "responseTransferMode": "STREAM", "timeoutInMillis": 900_000, "requestParameters": PARAMETERS},
    )
    stage = deployment.stage()
    assert (stage.transfer_mode, stage.timeout_milliseconds, stage.uri) == ("STREAM", 900_000, URI)
    assert stage.authorization == "COGNITO_USER_POOLS"
    assert stage.origin_secret is not None
    assert stage.origin_secret.get_secret_value() == SECRET
    assert SECRET not in repr(stage)


def test_an_export_that_does_not_name_the_mode_is_no_difference(session: Session, deployment: AwsDeployment) -> None:
    export(session, {"uri": URI, "timeoutInMillis": 900_000})
    stage = deployment.stage()
    resource = Invocation("STREAM", 900_000, URI, "COGNITO_USER_POOLS", {}, private=False)
    assert stage.transfer_mode is None
    assert stage.differences(resource) == []


def test_a_resource_that_was_changed_and_not_deployed_differs(session: Session, deployment: AwsDeployment) -> None:
    export(session, {"uri": URI, "responseTransferMode": "BUFFERED"})
    integration = {"uri": URI, "responseTransferMode": "STREAM", "timeoutInMillis": 900_000}
    resources(session, "POST", {"authorizationType": "COGNITO_USER_POOLS", "methodIntegration": integration})
    assert deployment.stage().differences(deployment.resource()) == [
        "responseTransferMode is STREAM in the resource and BUFFERED in the stage",
        "timeoutMilliseconds is 900000 in the resource and 29000 in the stage",
    ]


def test_the_throttle_of_the_method_goes_before_that_of_the_stage(session: Session, deployment: AwsDeployment) -> None:
    settings = {
        "*/*": {"throttlingRateLimit": 20.0, "throttlingBurstLimit": 40},
        "invocations/POST": {"throttlingRateLimit": 10.0, "throttlingBurstLimit": 20},
    }
    session.stubs["apigateway"].add_response("get_stage", {"methodSettings": settings})
    assert deployment.throttle() == Throttle(10.0, 20)


def test_the_web_acl_is_read_with_what_only_counts(session: Session, deployment: AwsDeployment) -> None:
    arn = "arn:aws:wafv2:us-east-1:1:regional/webacl/name/12345678-1234-1234-1234-123456789012"
    session.stubs["apigateway"].add_response("get_stage", {"webAclArn": arn})
    visibility = {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": "m"}
    size = {
        "Size": 65536,
        "ComparisonOperator": "GT",
        "FieldToMatch": {"Body": {"OversizeHandling": "MATCH"}},
        "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
    }
    group = {
        "VendorName": "AWS",
        "Name": "AWSManagedRulesSQLiRuleSet",
        "RuleActionOverrides": [{"Name": "SQLi_BODY", "ActionToUse": {"Count": {}}}],
    }
    rules = [
        {
            "Name": "size",
            "Priority": 0,
            "Action": {"Block": {}},
            "Statement": {"SizeConstraintStatement": size},
            "VisibilityConfig": visibility,
        },
        {
            "Name": "sqli",
            "Priority": 1,
            "OverrideAction": {"None": {}},
            "Statement": {"ManagedRuleGroupStatement": group},
            "VisibilityConfig": visibility,
        },
    ]
    acl = {
        "Name": "name",
        "Id": "12345678-1234-1234-1234-123456789012",
        "ARN": arn,
        "DefaultAction": {"Allow": {}},
        "VisibilityConfig": visibility,
        "Rules": rules,
    }
    session.stubs["wafv2"].add_response(
        "get_web_acl", {"WebACL": acl}, {"Name": "name", "Scope": "REGIONAL", "Id": ANY}
    )
    firewall = deployment.firewall()
    assert firewall is not None
    assert firewall.body_limit == 65536
    assert firewall.groups == (ManagedGroup("AWSManagedRulesSQLiRuleSet", frozenset({"SQLi_BODY"})),)
    assert firewall.evaluates_groups


def test_a_stage_without_a_web_acl_has_no_firewall(session: Session, deployment: AwsDeployment) -> None:
    session.stubs["apigateway"].add_response("get_stage", {})
    assert deployment.firewall() is None


def test_the_log_line_is_found_by_the_request(session: Session, deployment: AwsDeployment) -> None:
    arn = "arn:aws:logs:us-east-1:1:log-group:/agent-stream/dev/access"
    session.stubs["apigateway"].add_response("get_stage", {"accessLogSettings": {"destinationArn": arn}})
    message = json.dumps({"requestId": "r-1", "responseTransferMode": "STREAMED"})
    session.stubs["logs"].add_response(
        "filter_log_events",
        {"events": [{"message": message}]},
        {"logGroupName": "/agent-stream/dev/access", "filterPattern": '"r-1"', "startTime": ANY},
    )
    assert deployment.log_line("r-1") == {"requestId": "r-1", "responseTransferMode": "STREAMED"}


def test_a_log_line_on_a_later_page_is_found(session: Session, deployment: AwsDeployment) -> None:
    arn = "arn:aws:logs:us-east-1:1:log-group:/agent-stream/dev/access"
    session.stubs["apigateway"].add_response("get_stage", {"accessLogSettings": {"destinationArn": arn}})
    session.stubs["logs"].add_response("filter_log_events", {"events": [], "nextToken": "more"})
    session.stubs["logs"].add_response("filter_log_events", {"events": [{"message": '{"requestId": "r-1"}'}]})
    assert deployment.log_line("r-1") == {"requestId": "r-1"}


def test_a_line_that_is_not_there_is_not_found(session: Session, deployment: AwsDeployment) -> None:
    arn = "arn:aws:logs:us-east-1:1:log-group:/agent-stream/dev/access"
    session.stubs["apigateway"].add_response("get_stage", {"accessLogSettings": {"destinationArn": arn}})
    session.stubs["logs"].add_response("filter_log_events", {"events": []})
    assert deployment.log_line("r-1") is None


def test_the_stacks_alarms_are_counted_by_their_names_and_their_topic(
    session: Session, deployment: AwsDeployment
) -> None:
    # That they are named so is a test of the program's graph: tests/infra/test_graph.py.
    prefix = {"AlarmNamePrefix": "agent-stream-prod-"}
    topics = {"prod-5xx": "prod", "prod-blocks": "prod", "prod-eu-5xx": "prod-eu", "prod-of-somebody-else": "audit"}
    arn = "arn:aws:sns:us-east-1:111122223333:agent-stream-{}-alarms-0a1b2c3"
    alarms = [
        {"AlarmName": f"agent-stream-{name}", "AlarmActions": [arn.format(topic)]} for name, topic in topics.items()
    ]
    stub = session.stubs["cloudwatch"]
    stub.add_response("describe_alarms", {"MetricAlarms": alarms[:1], "NextToken": "more"}, prefix)
    stub.add_response("describe_alarms", {"MetricAlarms": alarms[1:]}, {**prefix, "NextToken": "more"})
    assert deployment.alarms() == 2


def test_without_the_stacks_name_the_alarms_are_not_counted(session: Session) -> None:
    outputs = Outputs(
        region="us-east-1", invoke_url="", user_pool_id="", user_pool_client_id="", issuer="", rest_api_id="api1"
    )
    with pytest.raises(DeploymentUnavailable, match="stackName"):
        AwsDeployment(outputs, session=session).alarms()


def test_a_private_link_is_seen_in_the_stage_and_in_the_resource(session: Session, deployment: AwsDeployment) -> None:
    export(session, {"uri": URI, "connectionType": "VPC_LINK"})
    resources(session, "POST", {"methodIntegration": {"uri": URI, "connectionType": "VPC_LINK"}})
    stage, resource = deployment.stage(), deployment.resource()
    assert (stage.private, resource.private) == (True, True)
    export(session, {"uri": URI, "connectionType": "INTERNET"})
    assert not deployment.stage().private


def test_a_secret_that_was_rotated_and_not_deployed_differs_and_stays_unsaid(
    session: Session, deployment: AwsDeployment
) -> None:
    (name,) = PARAMETERS
    export(session, {"uri": URI, "requestParameters": PARAMETERS, "timeoutInMillis": 900_000})
    integration = {"uri": URI, "timeoutInMillis": 900_000, "requestParameters": {name: "'the-next-one'"}}
    resources(session, "POST", {"authorizationType": "COGNITO_USER_POOLS", "methodIntegration": integration})
    (difference,) = deployment.stage().differences(deployment.resource())
    assert name in difference
    assert SECRET not in difference
    assert "the-next-one" not in difference


def test_an_api_that_does_not_exist_is_told_from_one_that_may_not_be_read(
    session: Session, deployment: AwsDeployment
) -> None:
    session.stubs["apigateway"].add_client_error("get_export", "NotFoundException", "Invalid API identifier")
    with pytest.raises(NotDeployedError, match="Invalid API identifier"):
        deployment.stage()


def test_what_may_not_be_read_is_explained(session: Session, deployment: AwsDeployment) -> None:
    session.stubs["apigateway"].add_client_error("get_export", "AccessDeniedException")
    with pytest.raises(DeploymentUnavailable, match=r"apigateway:GET.*AccessDeniedException"):
        deployment.stage()


def test_a_stage_whose_post_was_deleted_by_hand_is_told(session: Session, deployment: AwsDeployment) -> None:
    body = io.BytesIO(json.dumps({"paths": {"/invocations": {"options": {}}}}).encode())
    session.stubs["apigateway"].add_response("get_export", {"body": body, "contentType": "application/json"})
    with pytest.raises(DeploymentUnavailable, match="no POST"):
        deployment.stage()
