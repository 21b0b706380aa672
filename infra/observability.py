"""What tells the team how the stack is doing: metrics, alarms, a dashboard, and who hears of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pulumi
import pulumi_aws as aws

from infra import dashboard, metrics
from infra.settings.observability import ObservabilitySettings

PERIOD_SECONDS = 300


class Watched(NamedTuple):
    """What is observed, named as CloudWatch names it."""

    region: str
    api_name: pulumi.Output[str]
    stage: str
    web_acl: str
    runtime_id: pulumi.Output[str]
    access_log: pulumi.Output[str]


class Observability(pulumi.ComponentResource):
    """Metric filters on the access log, and what the settings ask for: alarms with their topic, a dashboard.

    Pulumi type: ``agentstream:infra:Observability``. Produces ``cloudwatch.LogMetricFilter``\\ s, ``MetricAlarm``\\ s,
    ``cloudwatch.Dashboard``, ``sns.Topic`` and ``TopicSubscription``\\ s. Leaves each log group to the component that
    writes to it.
    """

    dashboard_url: pulumi.Output[str] | None

    def __init__(
        self,
        name: str,
        settings: ObservabilitySettings,
        *,
        watched: Watched,
        tags: dict[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("agentstream:infra:Observability", name, None, opts)
        self._name = name
        self._tags = tags
        self._child = pulumi.ResourceOptions(parent=self)
        metrics.log_metrics(name, watched.access_log, self._child)
        if settings.alarms:
            self._alarms(settings, watched)
        self.dashboard_url = self._dashboard(watched) if settings.dashboard else None
        self.register_outputs({"dashboardUrl": self.dashboard_url})

    def _alarms(self, settings: ObservabilitySettings, watched: Watched) -> None:
        topic = aws.sns.Topic(f"{self._name}-alarms", tags=self._tags, opts=self._child)
        for index, subscriber in enumerate(settings.subscribers):
            aws.sns.TopicSubscription(
                f"{self._name}-alarms-{index}",
                topic=topic.arn,
                protocol="https" if subscriber.startswith("https://") else "email",
                endpoint=subscriber,
                opts=self._child,
            )
        own = metrics.namespace(self._name)
        self._alarm(
            topic,
            "server-errors",
            f"More than {settings.error_percent:g} % of answers are 5xx.",
            settings.error_percent / 100,
            namespace="AWS/ApiGateway",
            metric_name="5XXError",
            # The average of this metric is the share of requests that failed
            # (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html).
            statistic="Average",
            dimensions={"ApiName": watched.api_name, "Stage": watched.stage},
        )
        self._alarm(
            topic,
            "slow-first-content",
            f"One answer in twenty begins after {settings.first_content_milliseconds} ms or later.",
            settings.first_content_milliseconds,
            namespace=own,
            metric_name=metrics.TIME_TO_FIRST_CONTENT,
            extended_statistic="p95",
            # A percentile of three requests says nothing.
            evaluate_low_sample_count_percentiles="ignore",
        )
        self._alarm(
            topic,
            "firewall-blocks",
            f"The web ACL blocked more than {settings.blocked_requests} requests in five minutes.",
            settings.blocked_requests,
            namespace="AWS/WAFV2",
            metric_name="BlockedRequests",
            statistic="Sum",
            dimensions={"WebACL": watched.web_acl, "Region": watched.region, "Rule": "ALL"},
        )
        counters = (
            ("authorizer-failures", metrics.UNAUTHORIZED, settings.authorizer_failures, "had no valid token"),
            ("runtime-throttles", metrics.RUNTIME_THROTTLES, settings.runtime_throttles, "were throttled by AgentCore"),
        )
        for alarm, metric, limit, what in counters:
            text = f"{limit} or more requests in five minutes {what}."
            self._alarm(topic, alarm, text, limit, namespace=own, metric_name=metric, statistic="Sum")

    def _alarm(
        self,
        topic: aws.sns.Topic,
        name: str,
        description: str,
        threshold: float,
        *,
        dimensions: Mapping[str, pulumi.Input[str]] | None = None,
        **metric: Any,
    ) -> None:
        """An alarm that goes off when a metric reaches its threshold, and says so again when it is over."""
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-{name}",
            name=f"{self._name}-{name}",
            alarm_description=description,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=threshold,
            period=PERIOD_SECONDS,
            evaluation_periods=1,
            treat_missing_data="notBreaching",  # at night there are no requests, and that is no fault
            dimensions=dimensions,
            alarm_actions=[topic.arn],
            ok_actions=[topic.arn],
            tags=self._tags,
            opts=self._child,
            **metric,
        )

    def _dashboard(self, watched: Watched) -> pulumi.Output[str]:
        document = pulumi.Output.json_dumps(
            pulumi.Output.all(watched.api_name, watched.runtime_id, watched.access_log).apply(
                lambda known: dashboard.body(
                    name=self._name,
                    region=watched.region,
                    stage=watched.stage,
                    web_acl=watched.web_acl,
                    api_name=known[0],
                    runtime_id=known[1],
                    access_log=known[2],
                )
            )
        )
        shown = aws.cloudwatch.Dashboard(
            f"{self._name}-dashboard", dashboard_name=self._name, dashboard_body=document, opts=self._child
        )
        home = f"https://{watched.region}.console.aws.amazon.com/cloudwatch/home?region={watched.region}"
        return pulumi.Output.concat(home, "#dashboards/dashboard/", shown.dashboard_name)
