"""A usage plan for each team: an API key, a rate limit, and a daily quota.

An API key tells teams apart; it does not authenticate the caller. The ID token does, and stays required.
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.settings.api import TeamSettings


def usage_plans(
    name: str,
    stage: aws.apigateway.Stage,
    teams: Mapping[str, TeamSettings],
    opts: pulumi.ResourceOptions,
) -> dict[str, pulumi.Output[str]]:
    """Declare a usage plan and a key for each team; returns the keys' values, which are secret."""
    return {team: _plan(f"{name}-team-{team}", stage, settings, opts) for team, settings in teams.items()}


def _plan(
    name: str, stage: aws.apigateway.Stage, settings: TeamSettings, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    plan = aws.apigateway.UsagePlan(
        name,
        api_stages=[{"api_id": stage.rest_api, "stage": stage.stage_name}],
        throttle_settings={"rate_limit": settings.rate, "burst_limit": settings.burst},
        quota_settings={"limit": settings.requests_per_day, "period": "DAY"},
        opts=opts,
    )
    # Both have the key's value among their outputs, and the provider marks only the first one's as secret.
    secret = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["value"]))
    key = aws.apigateway.ApiKey(name, opts=secret)
    aws.apigateway.UsagePlanKey(name, usage_plan_id=plan.id, key_id=key.id, key_type="API_KEY", opts=secret)
    return pulumi.Output.secret(key.value)
