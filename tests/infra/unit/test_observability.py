"""Unit tests of `infra.observability` with Pulumi's mocks."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret

from infra.observability import Observability, Watched
from infra.settings.observability import ObservabilitySettings
from tests.infra.unit.mocks import STACK, AwsMocks


def observability(**settings: Any) -> Observability:
    known = pulumi.Output.from_input
    return Observability(
        STACK,
        ObservabilitySettings.model_validate(settings),
        watched=Watched(known("unit-api"), "dev", "unit-firewall", known("unit-1"), known("/unit/access")),
    )


@pulumi.runtime.test
def test_an_alarm_reaches_whoever_subscribes(aws: AwsMocks) -> pulumi.Output[None]:
    observability(subscribers=["team@example.com"])

    def check() -> None:
        subscription = aws.inputs("TopicSubscription")
        assert subscription["protocol"] == "email"
        assert is_rpc_secret(subscription["endpoint"])
        assert unwrap_rpc_secret(subscription["endpoint"]) == "team@example.com"
        assert aws.inputs("MetricAlarm", "server-errors")["alarmActions"] == [subscription["topic"]]

    return aws.after(check)


@pulumi.runtime.test
def test_without_dashboard_and_alarms_only_metrics_are_declared(aws: AwsMocks) -> pulumi.Output[None]:
    made = observability(dashboard=False, alarms=False)
    assert made.dashboard_url is None

    def check() -> None:
        assert aws.kinds() == {"LogMetricFilter"}

    return aws.after(check)
