"""Metrics, alarms with their subscribers, and a dashboard."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import pulumi
import pulumi_aws as aws

from infra import dashboard, metrics
from infra.api import StreamingApi
from infra.component import Component, StackContext
from infra.encryption import EncryptionKey
from infra.firewall import Firewall
from infra.metrics import Metric
from infra.runtime import Runtime
from infra.settings.observability import ObservabilitySettings
from infra.settings.regions import is_government

PERIOD_SECONDS = 300

FEWEST_FAILURES = 3
"""With fewer failures in a period no percentage is an alarm: one failed request at night is 100 %."""


class Watched(NamedTuple):
    """The observed resources, by their names in CloudWatch."""

    api_name: pulumi.Output[str]
    stage: str
    web_acl: str
    runtime_id: pulumi.Output[str]
    access_log: pulumi.Output[str]

    @classmethod
    def of(cls, api: StreamingApi, firewall: Firewall, runtime: Runtime) -> Watched:
        """The names of these three components."""
        return cls(api.name, api.stage_name, firewall.metric_name, runtime.id, api.log_group)


class Observability(Component):
    """Metric filters on the access log, and what the settings ask for: alarms with their topic, a dashboard.

    Pulumi type: ``agentstream:infra:Observability``. Produces ``cloudwatch.LogMetricFilter``\\ s, ``MetricAlarm``\\ s,
    ``cloudwatch.Dashboard``, ``sns.Topic`` and ``TopicSubscription``\\ s. Leaves each log group to the component that
    writes to it, and the metrics of runs to the agent.
    """

    dashboard_url: pulumi.Output[str] | None
    topic_arn: pulumi.Output[str] | None
    """The topic of the alarms; None when there are none."""

    def __init__(
        self,
        stack: StackContext,
        settings: ObservabilitySettings,
        *,
        watched: Watched,
        key: EncryptionKey | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("Observability", stack, opts)
        self._key = key
        metrics.log_metrics(stack.name, watched.access_log, self._child)
        self.topic_arn = None
        if settings.alarms:
            self._topic = self._declare_topic(settings.subscribers)
            self.topic_arn = self._topic.arn
            self._failures(settings.error_percent, watched)
            self._limits(settings, watched)
        self.dashboard_url = self._dashboard(watched) if settings.dashboard else None
        self.register_outputs({"dashboardUrl": self.dashboard_url})

    def _declare_topic(self, subscribers: list[str]) -> aws.sns.Topic:
        topic = aws.sns.Topic(
            f"{self._name}-alarms",
            # Never AWS's managed key for SNS: CloudWatch may not use it, and alarms would be lost without an error.
            kms_master_key_id=None if self._key is None else self._key.arn,
            opts=self._child,
        )
        for subscriber in subscribers:
            # Named by the address, not by its index in the list: SNS returns the first subscription's ARN for a second
            # one of the same address, so deleting the resource of an old index would end a subscription that is still
            # declared (https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html).
            aws.sns.TopicSubscription(
                f"{self._name}-alarms-{hashlib.sha256(subscriber.encode()).hexdigest()[:8]}",
                topic=topic.arn,
                protocol="https" if subscriber.startswith("https://") else "email",
                # Anyone with a webhook's address can post to it, and an e-mail address is personal data.
                endpoint=pulumi.Output.secret(subscriber),
                opts=self._child,
            )
        return topic

    def _failures(self, percent: float, watched: Watched) -> None:
        """Alarms on the percentage of failures, one for each layer where a request can fail."""
        requests = metrics.stage_metric("Count", watched.api_name, watched.stage)
        # 5xx come from the gateway, or through it from AgentCore itself.
        self._share("server-errors", "answers are 5xx", percent, requests._replace(name="5XXError"), requests)
        # An agent that does not start, or a runtime that refuses what the gateway has accepted, is a 4xx.
        own = Metric(metrics.namespace(self._name), metrics.AGENT_FAILED)
        self._share("agent-failures", "requests got no answer from the agent", percent, own, requests)
        # A run that fails has begun with a 200, so only the agent's own metric shows it.
        runs = metrics.run_metric(self._name)
        self._share("failed-runs", "runs of the agent ended in an error", percent, metrics.failed(runs), runs)

    def _share(self, name: str, what: str, percent: float, failed: Metric, every: Metric) -> None:
        def query(id_: str, metric: Metric) -> aws.cloudwatch.MetricAlarmMetricQueryArgsDict:
            return {
                "id": id_,
                "metric": {
                    "namespace": metric.namespace,
                    "metric_name": metric.name,
                    "dimensions": metric.dimensions,
                    "period": PERIOD_SECONDS,
                    "stat": "Sum",
                },
            }

        share: aws.cloudwatch.MetricAlarmMetricQueryArgsDict = {
            "id": "share",
            "label": f"% of {what}",
            "expression": f"IF(failed >= {FEWEST_FAILURES}, 100 * failed / every, 0)",
            "return_data": True,
        }
        self._alarm(
            name,
            f"{percent:g} % or more, and {FEWEST_FAILURES} at least: {what}, in five minutes.",
            percent,
            metric_queries=[query("failed", failed), query("every", every), share],
        )

    def _limits(self, settings: ObservabilitySettings, watched: Watched) -> None:
        """Alarms on metrics with a limit of their own in the settings."""
        own = metrics.namespace(self._name)
        self._alarm(
            "slow-first-content",
            f"One answer in twenty begins after {settings.first_content_milliseconds} ms or later.",
            settings.first_content_milliseconds,
            period=PERIOD_SECONDS,
            namespace=own,
            metric_name=metrics.TIME_TO_FIRST_CONTENT,
            extended_statistic="p95",
            # A percentile of three requests is meaningless.
            evaluate_low_sample_count_percentiles="ignore",
        )
        counters = (
            (
                "firewall-blocks",
                metrics.web_acl_metric("BlockedRequests", watched.web_acl, self._stack.region),
                settings.blocked_requests,
                "were blocked by the web ACL",
            ),
            (
                "authorizer-failures",
                Metric(own, metrics.UNAUTHORIZED),
                settings.authorizer_failures,
                "had no valid token",
            ),
            (
                "runtime-throttles",
                Metric(own, metrics.RUNTIME_THROTTLES),
                settings.runtime_throttles,
                "were throttled by AgentCore",
            ),
        )
        for alarm, metric, limit, what in counters:
            self._alarm(
                alarm,
                f"{limit} or more requests in five minutes {what}.",
                limit,
                period=PERIOD_SECONDS,
                namespace=metric.namespace,
                metric_name=metric.name,
                dimensions=metric.dimensions,
                statistic="Sum",
            )

    def _alarm(self, name: str, description: str, threshold: float, **watched: Any) -> None:
        """An alarm that notifies when its metric reaches the threshold, and again when it is back to normal."""
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-{name}",
            name=f"{self._name}-{name}",
            alarm_description=description,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=threshold,
            evaluation_periods=1,
            treat_missing_data="notBreaching",  # no requests, such as at night, are not a failure
            alarm_actions=[self._topic.arn],
            ok_actions=[self._topic.arn],
            opts=self._child,
            **watched,
        )

    def _dashboard(self, watched: Watched) -> pulumi.Output[str]:
        document = pulumi.Output.json_dumps(
            pulumi.Output.all(watched.api_name, watched.runtime_id, watched.access_log).apply(
                lambda known: dashboard.body(
                    name=self._name,
                    region=self._stack.region,
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
        region = self._stack.region
        console = "console.amazonaws-us-gov.com" if is_government(region) else "console.aws.amazon.com"
        home = f"https://{region}.{console}/cloudwatch/home?region={region}"
        return pulumi.Output.concat(home, "#dashboards/dashboard/", shown.dashboard_name)
