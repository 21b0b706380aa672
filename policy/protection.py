"""Rules that the runtime is reached through the API only, and that the API logs and throttles."""

from __future__ import annotations

import re
from collections.abc import Iterator

from contract import ORIGIN_HEADER, Kind
from policy.graph import ORIGIN_VARIABLE, Declared, Stack, nested, single_resource
from policy.permissions import statements

API_KEY = re.compile(r"identity\.apikey(?!id)")
"""The API key's value in an access log's format; its id gives no access."""

FASTEST = 1_000
"""The highest rate that still protects, in requests per second; AgentCore allows 200 for a whole account."""


@single_resource
def stage_logged(stage: Declared, _stack: Stack) -> Iterator[str]:
    """Without a log, neither refusals nor calls can be traced."""
    if not stage.get("accessLogSettings", "destinationArn"):
        yield "The stage writes no access log, so a refusal leaves no trace. Declare accessLogSettings."


@single_resource
def access_log_hides_secrets(stage: Declared, _stack: Stack) -> Iterator[str]:
    """A reader of the log must not find a usable token or key in it."""
    template = (stage.get("accessLogSettings", "format") or "").lower()
    if "header.authorization" in template or "requestoverride" in template or API_KEY.search(template):
        yield "The access log shows the caller's token or API key. Remove it from the format."


@single_resource
def execution_log_hides_secrets(settings: Declared, _stack: Stack) -> Iterator[str]:
    """Execution logs at level INFO, and data traces, contain whole requests."""
    if settings.get("settings", "dataTraceEnabled") or settings.get("settings", "loggingLevel") == "INFO":
        yield (
            "API Gateway writes whole requests to its log: prompts, tokens and the origin secret. Set "
            "dataTraceEnabled to false and loggingLevel to OFF or ERROR."
        )


def every_method_throttled(stage: Declared, stack: Stack) -> Iterator[str]:
    """Without a throttle the limit is the account's 10,000 requests a second."""
    if not any(
        each.get("methodPath") == "*/*"
        and each.get("stageName") == stage.get("stageName")
        and each.get("restApi") == stage.get("restApi")
        for each in stack.all(Kind.METHOD_SETTINGS)
    ):
        yield (
            "The stage has no throttle, so one caller's loop can use up the model's quota and the budget. Declare "
            f"MethodSettings for */* with a rate of at most {FASTEST} and a burst."
        )


@single_resource
def throttle_bounds(settings: Declared, _stack: Stack) -> Iterator[str]:
    """The settings of one method replace all of those of ``*/*``, so each must set both limits."""
    limits = [settings.get("settings", f"throttling{kind}Limit") for kind in ("Rate", "Burst")]
    if not all(limit is not None and 0 <= limit <= FASTEST for limit in limits):
        yield (
            f"{settings.get('methodPath')} has no throttle, because a limit that is missing here is not taken from "
            "another MethodSettings. Set throttlingRateLimit and throttlingBurstLimit, "
            f"each to at most {FASTEST}."
        )


def bypass(runtime: Declared, stack: Stack) -> Iterator[str]:
    """The runtime's own address is public and accepts the same token."""
    if not stack.is_production or _private(runtime, stack):
        return
    # A value that is not known yet counts as set.
    required = runtime.peek("environmentVariables", ORIGIN_VARIABLE, unknown=True)
    key = f"integration.request.header.{ORIGIN_HEADER}"
    sent = any(each.peek("requestParameters", key, unknown=True) for each in stack.all(Kind.INTEGRATION))
    if not (required and sent):
        yield (
            "A caller with a token can bypass WAF, throttle and log and call the runtime directly. Set "
            "bypassProtection to origin-secret or private."
        )


def _private(runtime: Declared, stack: Stack) -> bool:
    """Whether the API uses a VPC link, and a resource policy refuses requests that do not come by the VPC endpoint."""
    by_link = any(each.get("connectionType") == "VPC_LINK" for each in stack.calling_agentcore())
    return by_link and any(
        statement.get("Effect") == "Deny" and nested(statement, "Condition", "StringNotEquals", "aws:SourceVpce")
        for policy in stack.all(Kind.RESOURCE_POLICY)
        for statement in statements(policy.get("policy"))
        if policy.get("resourceArn") == runtime.get("agentRuntimeArn")
    )
