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
"""Failures in a period below which no share of them is an alarm: one failed request at night is all of them."""


class Watched(NamedTuple):
    """What is observed, named as CloudWatch names it."""

    api_name: pulumi.Output[str]
    stage: str
    web_acl: str
    runtime_id: pulumi.Output[str]
    access_log: pulumi.Output[str]

    @classmethod
    def of(cls, api: StreamingApi, firewall: Firewall, runtime: Runtime) -> Watched:
        """What these three are called there."""
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
            # Never the key that AWS manages for SNS: CloudWatch may not use it, and its alarms would be lost silently.
            kms_master_key_id=None if self._key is None else self._key.arn,
            opts=self._child,
        )
        for subscriber in subscribers:
            # Named by the address and not by its place in the list: SNS answers a second subscription of an address
            # with the first one's ARN, so deleting what stood in another place would end a subscription that is wanted
            # (https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html).
            aws.sns.TopicSubscription(
                f"{self._name}-alarms-{hashlib.sha256(subscriber.encode()).hexdigest()[:8]}",
                topic=topic.arn,
                protocol="https" if subscriber.startswith("https://") else "email",
                # Whoever has a webhook's address can post to it, and an e-mail address is somebody's.
                endpoint=pulumi.Output.secret(subscriber),
                opts=self._child,
            )
        return topic

    def _failures(self, percent: float, watched: Watched) -> None:
        """Alarms on the share of what failed, one for each place where an answer can fail."""
        requests = metrics.stage_metric("Count", watched.api_name, watched.stage)
        # 5xx come from the gateway, or through it from AgentCore itself.
        self._share("server-errors", "answers are 5xx", percent, requests._replace(name="5XXError"), requests)
        # An agent that does not start, or a runtime that refuses what the gateway has let in, is a 4xx.
        own = Metric(metrics.namespace(self._name), metrics.AGENT_FAILED)
        self._share("agent-failures", "requests got no answer from the agent", percent, own, requests)
        # A run that fails has begun with a 200, so only the agent can tell.
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
        """Alarms on metrics that have a limit of their own."""
        own = metrics.namespace(self._name)
        self._alarm(
            "slow-first-content",
            f"One answer in twenty begins after {settings.first_content_milliseconds} ms or later.",
            settings.first_content_milliseconds,
            period=PERIOD_SECONDS,
            namespace=own,
            metric_name=metrics.TIME_TO_FIRST_CONTENT,
            extended_statistic="p95",
            # A percentile of three requests says nothing.
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
        """An alarm that goes off when what it watches reaches its threshold, and says so again when it is over."""
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-{name}",
            name=f"{self._name}-{name}",
            alarm_description=description,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=threshold,
            evaluation_periods=1,
            treat_missing_data="notBreaching",  # at night there are no requests, and that is no fault
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
