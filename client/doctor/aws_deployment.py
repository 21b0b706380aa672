"""The deployment of a real stack, read through the AWS API with the caller's own credentials.

Read-only: ``apigateway:GET`` on the API, ``wafv2:GetWebACL``, ``logs:FilterLogEvents`` on the access log and
``cloudwatch:DescribeAlarms``. The stage's snapshot is read from its export, because the other calls return the
resources, which may have changed since (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-export-api.html).
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from client.doctor.deployment import (
    DeploymentUnavailable,
    Firewall,
    Invocation,
    ManagedGroup,
    NotDeployedError,
    Throttle,
    hidden,
    log_object,
    named_origin,
)
from client.outputs import Outputs
from contract import DEFAULT_TIMEOUT_MILLISECONDS

LOOK_BACK_SECONDS = 15 * 60
"""How far back the access log is searched for a request that has just been made."""


class AwsDeployment:
    """Reads a deployed stack.

    Args:
        outputs: the stack's.
        profile: the AWS profile; None uses the default credential chain.
        session: a boto3 session; tests pass their own.
    """

    def __init__(self, outputs: Outputs, profile: str | None = None, session: Any = None) -> None:
        self._outputs = outputs
        self._profile = profile
        self._session = session
        self._clients: dict[str, Any] = {}

    def stage(self) -> Invocation:
        """See `Deployment.stage`."""
        with _readable("the deployed stage (apigateway:GET)"):
            export = self._client("apigateway").get_export(
                restApiId=self._outputs.rest_api_id,
                stageName=self._outputs.stage_name,
                exportType="oas30",
                parameters={"extensions": "integrations,authorizers"},
                accepts="application/json",
            )
            paths = json.loads(export["body"].read())["paths"]
        post = paths.get(self._outputs.route, {}).get("post")
        if post is None:
            raise DeploymentUnavailable(f"The deployed stage has no POST {self._outputs.route}: deploy the API again.")
        integration = post.get("x-amazon-apigateway-integration", {})
        return Invocation(
            # None in older exports; then only the streaming check can tell.
            transfer_mode=integration.get("responseTransferMode"),
            timeout_milliseconds=integration.get("timeoutInMillis", DEFAULT_TIMEOUT_MILLISECONDS),
            uri=str(integration.get("uri", "")),
            authorization="COGNITO_USER_POOLS" if post.get("security") else "NONE",
            parameters=hidden(integration.get("requestParameters")),
            private=str(integration.get("connectionType", "")).upper() == "VPC_LINK",
        )

    def resource(self) -> Invocation:
        """See `Deployment.resource`."""
        with _readable("the API's resources (apigateway:GET)"):
            method = self._method("POST")
        integration = method.get("methodIntegration", {})
        return Invocation(
            transfer_mode=integration.get("responseTransferMode", "BUFFERED"),
            timeout_milliseconds=integration.get("timeoutInMillis", DEFAULT_TIMEOUT_MILLISECONDS),
            uri=str(integration.get("uri", "")),
            authorization=method.get("authorizationType"),
            parameters=hidden(integration.get("requestParameters")),
            private=integration.get("connectionType") == "VPC_LINK",
        )

    def throttle(self) -> Throttle | None:
        """See `Deployment.throttle`."""
        settings = self._stage().get("methodSettings", {})
        # A slash within the path is written ~1 (https://docs.aws.amazon.com/apigateway/latest/api/API_MethodSetting.html).
        route = self._outputs.route.strip("/").replace("/", "~1")
        for path in (f"{route}/POST", f"~1{route}/POST", "*/*"):
            given = settings.get(path, {})
            rate, burst = given.get("throttlingRateLimit"), given.get("throttlingBurstLimit")
            if rate is not None and burst is not None and burst >= 0:
                return Throttle(float(rate), int(burst))
        return None

    def firewall(self) -> Firewall | None:
        """See `Deployment.firewall`."""
        arn = self._stage().get("webAclArn")
        if not arn:
            return None
        *_, name, id_ = arn.split("/")
        with _readable("the web ACL (wafv2:GetWebACL)"):
            acl = self._client("wafv2").get_web_acl(Name=name, Scope="REGIONAL", Id=id_)["WebACL"]
        statements = [(rule, rule["Statement"]) for rule in acl.get("Rules", [])]
        groups = [statement["ManagedRuleGroupStatement"] for _, statement in statements if _managed(statement)]
        limits = [
            int(statement["SizeConstraintStatement"]["Size"])
            for rule, statement in statements
            if "SizeConstraintStatement" in statement and "Block" in rule.get("Action", {})
        ]
        return Firewall(
            groups=tuple(ManagedGroup(group["Name"], _counted(group)) for group in groups),
            body_limit=min(limits, default=None),
            evaluates_groups=True,
        )

    def preflight_origin(self) -> str:
        """See `Deployment.preflight_origin`."""
        with _readable("the API's resources (apigateway:GET)"):
            try:
                method = self._method("OPTIONS")
            except DeploymentUnavailable:
                return ""
        return named_origin(method.get("methodIntegration", {}).get("integrationResponses", {}).values())

    def log_line(self, request_id: str) -> Mapping[str, Any] | None:
        """See `Deployment.log_line`."""
        arn = self._stage().get("accessLogSettings", {}).get("destinationArn", "")
        if ":log-group:" not in arn:
            return None
        group = arn.split(":log-group:")[1].removesuffix(":*")
        with _readable("the access log (logs:FilterLogEvents)"):
            # A page may be empty although more follow, because CloudWatch limits the time of one search.
            pages = self._client("logs").get_paginator("filter_log_events")
            found = pages.paginate(
                logGroupName=group,
                filterPattern=f'"{request_id}"',
                startTime=int((time.time() - LOOK_BACK_SECONDS) * 1000),
            )
            message = next((event["message"] for page in found for event in page.get("events", [])), None)
        return None if message is None else log_object(message)

    def ping(self) -> Mapping[str, Any]:
        """See `Deployment.ping`."""
        raise DeploymentUnavailable("On AWS only AgentCore can call it; the runtime's log says how a run ended.")

    def alarms(self) -> int:
        """See `Deployment.alarms`."""
        if not self._outputs.stack_name:
            raise DeploymentUnavailable("The outputs do not name the stack (stackName): run `pulumi up`.")
        with _readable("the alarms (cloudwatch:DescribeAlarms)"):
            # Every alarm's name begins with the stack's. The prefix of dev matches the alarms of dev-eu too, but each
            # stack's alarms notify its own topic.
            pages = self._client("cloudwatch").get_paginator("describe_alarms")
            found = pages.paginate(AlarmNamePrefix=f"{self._outputs.stack_name}-")
            alarms = (alarm for page in found for alarm in page.get("MetricAlarms", []))
            topic = f":{self._outputs.stack_name}-alarms-"
            return sum(any(topic in action for action in alarm.get("AlarmActions", [])) for alarm in alarms)

    def _stage(self) -> Mapping[str, Any]:
        with _readable("the stage (apigateway:GET)"):
            stage: Mapping[str, Any] = self._client("apigateway").get_stage(
                restApiId=self._outputs.rest_api_id, stageName=self._outputs.stage_name
            )
        return stage

    def _method(self, verb: str) -> Mapping[str, Any]:
        gateway, api = self._client("apigateway"), self._outputs.rest_api_id
        for page in gateway.get_paginator("get_resources").paginate(restApiId=api, embed=["methods"]):
            for resource in page["items"]:
                if resource["path"] == self._outputs.route and verb in resource.get("resourceMethods", {}):
                    method: Mapping[str, Any] = gateway.get_method(
                        restApiId=api, resourceId=resource["id"], httpMethod=verb
                    )
                    return method
        raise DeploymentUnavailable(f"The API has no {verb} {self._outputs.route}.")

    def _client(self, service: str) -> Any:
        if not (self._outputs.rest_api_id and self._outputs.stage_name):
            raise DeploymentUnavailable("The outputs do not name the API (restApiId, stageName): run `pulumi up`.")
        if service not in self._clients:
            self._clients[service] = self._boto().client(service)
        return self._clients[service]

    def _boto(self) -> Any:
        if self._session is None:
            import boto3  # noqa: PLC0415 - importing it takes half a second

            self._session = boto3.Session(profile_name=self._profile, region_name=self._outputs.region)
        return self._session


def _managed(statement: Mapping[str, Any]) -> bool:
    return "ManagedRuleGroupStatement" in statement


def _counted(group: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        override["Name"] for override in group.get("RuleActionOverrides", []) if "Count" in override["ActionToUse"]
    )


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415 - see `_boto`

    try:
        yield
    except NoCredentialsError:
        raise DeploymentUnavailable(
            f"No AWS credentials were found to read {what}: sign in with the AWS CLI, or pass --profile."
        ) from None
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in ("NotFoundException", "WAFNonexistentItemException", "ResourceNotFoundException"):
            said = error.response["Error"].get("Message", code)
            raise NotDeployedError(f"AWS cannot find {what}: {said}") from None
        raise DeploymentUnavailable(f"AWS refuses access to {what} ({code}).") from None
    except (BotoCoreError, KeyError, ValueError) as error:
        raise DeploymentUnavailable(f"Reading {what} failed ({type(error).__name__}: {error}).") from None
