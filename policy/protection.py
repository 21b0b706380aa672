"""Rules that keep the front door the only door, watched and paced."""

from __future__ import annotations

import re
from collections.abc import Iterator

from contract import ORIGIN_HEADER, Kind
from policy.graph import ORIGIN_VARIABLE, Declared, Stack, by_itself, nested
from policy.permissions import statements

API_KEY = re.compile(r"identity\.apikey(?!id)")
"""The key itself in an access log's format; its id opens nothing."""

FASTEST = 1_000
"""Requests per second above which a throttle protects nobody: AgentCore takes 200 for a whole account."""


@by_itself
def stage_logged(stage: Declared, _stack: Stack) -> Iterator[str]:
    """Without a log, neither refusals nor calls can be traced."""
    if not stage.get("accessLogSettings", "destinationArn"):
        yield "The stage writes no access log, so a refused answer leaves no trace. Declare accessLogSettings."


@by_itself
def access_log_hides_secrets(stage: Declared, _stack: Stack) -> Iterator[str]:
    """Whoever reads a log must not be able to use what is in it."""
    template = (stage.get("accessLogSettings", "format") or "").lower()
    if "header.authorization" in template or "requestoverride" in template or API_KEY.search(template):
        yield "The access log shows the caller's token or API key. Remove it from the format."


@by_itself
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
            "Nothing bounds the stage's pace, so one caller's loop uses up the model's quota and the budget. Declare "
            f"MethodSettings for */* with a rate of at most {FASTEST} and a burst."
        )


@by_itself
def throttle_bounds(settings: Declared, _stack: Stack) -> Iterator[str]:
    """The settings of one method replace those of ``*/*`` as a whole, so each must bound by itself."""
    limits = [settings.get("settings", f"throttling{kind}Limit") for kind in ("Rate", "Burst")]
    if not all(limit is not None and 0 <= limit <= FASTEST for limit in limits):
        yield (
            f"Nothing bounds the pace of {settings.get('methodPath')}: what is not given here is not taken over from "
            "another MethodSettings. Set throttlingRateLimit and throttlingBurstLimit, "
            f"each to {FASTEST} at most."
        )


def bypass(runtime: Declared, stack: Stack) -> Iterator[str]:
    """The runtime's own address is public and takes the same token."""
    if not stack.is_production or _private(runtime, stack):
        return
    # A value that is not known yet is a value all the same.
    asked = runtime.peek("environmentVariables", ORIGIN_VARIABLE, unknown=True)
    key = f"integration.request.header.{ORIGIN_HEADER}"
    sent = any(each.peek("requestParameters", key, unknown=True) for each in stack.all(Kind.INTEGRATION))
    if not (asked and sent):
        yield (
            "A caller with a token can go round WAF, throttle and log straight to the runtime. Set bypassProtection "
            "to origin-secret or private."
        )


def _private(runtime: Declared, stack: Stack) -> bool:
    """Whether the API takes the private way, and a resource policy refuses what does not come through its endpoint."""
    by_link = any(each.get("connectionType") == "VPC_LINK" for each in stack.facing_agentcore())
    return by_link and any(
        statement.get("Effect") == "Deny" and nested(statement, "Condition", "StringNotEquals", "aws:SourceVpce")
        for policy in stack.all(Kind.RESOURCE_POLICY)
        for statement in statements(policy.get("policy"))
        if policy.get("resourceArn") == runtime.get("agentRuntimeArn")
    )
