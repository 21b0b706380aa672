"""The metrics: those that AWS publishes, those that the agent publishes, and metric filters on the access log.

A user waits for the first content; API Gateway's own ``Latency`` of a stream is its whole duration. The log's values
are strings, which metric filters read as numbers if they are numeric; a request that never reached the agent has ``-``
there and is filtered out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

TIME_TO_FIRST_CONTENT = "TimeToFirstContent"
STREAM_DURATION = "StreamDuration"
UNAUTHORIZED = "Unauthorized"
RUNTIME_THROTTLES = "RuntimeThrottles"
AGENT_FAILED = "AgentFailed"

AGENT_NAMESPACE = "agent-stream"
"""The namespace of the metrics in the agent's log lines (agent/telemetry.py)."""


class Metric(NamedTuple):
    """A CloudWatch metric; with other dimensions it would be another metric, most likely an empty one."""

    namespace: str
    name: str
    dimensions: Mapping[str, pulumi.Input[str]] = {}


def stage_metric(name: str, api_name: pulumi.Output[str], stage: str) -> Metric:
    """A metric of API Gateway for a stage.

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
    """
    return Metric("AWS/ApiGateway", name, {"ApiName": api_name, "Stage": stage})


def web_acl_metric(name: str, web_acl: str, region: str) -> Metric:
    """A metric of WAF over all rules of a web ACL.

    Source: https://docs.aws.amazon.com/waf/latest/developerguide/waf-metrics.html
    """
    return Metric("AWS/WAFV2", name, {"WebACL": web_acl, "Region": region, "Rule": "ALL"})


def run_metric(agent: str) -> Metric:
    """The runs of a stack's agent, however they ended."""
    return Metric(AGENT_NAMESPACE, "Runs", {"Agent": agent})


def failed(runs: Metric) -> Metric:
    """The runs that ended in an error; refused, stopped and abandoned runs do not count, for the caller caused them."""
    return runs._replace(dimensions={**runs.dimensions, "Outcome": "error"})


class LogMetric(NamedTuple):
    """One metric filter.

    Attributes:
        name: the metric's name.
        pattern: the lines that it selects (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html).
        value: the field that is the value, or ``1`` to count lines.
        unit: of the value.
    """

    name: str
    pattern: str
    value: str = "1"
    unit: str = "Count"


LOG_METRICS: Sequence[LogMetric] = (
    LogMetric(TIME_TO_FIRST_CONTENT, '{ $.timeToFirstContent != "-" }', "$.timeToFirstContent", "Milliseconds"),
    LogMetric(STREAM_DURATION, '{ $.responseTransferMode = "STREAMED" }', "$.integrationLatency", "Milliseconds"),
    # A buffered response although the stack declares STREAM: the API was changed outside Pulumi.
    LogMetric("Buffered", '{ $.responseTransferMode = "BUFFERED" }'),
    LogMetric("BadRequest", '{ $.status = "400" }'),
    LogMetric(UNAUTHORIZED, '{ $.status = "401" }'),
    LogMetric("Forbidden", '{ $.status = "403" }'),
    LogMetric("Throttled", '{ $.status = "429" && $.integrationStatus = "-" }'),
    LogMetric(RUNTIME_THROTTLES, '{ $.integrationStatus = "429" }'),
    # AgentCore's statuses when the agent does not start or answer, and when AgentCore refuses a request that the
    # gateway has accepted: then their settings disagree, and every user is refused. For an agent that does not start
    # one page has 424 (…/devguide/runtime-http-protocol-contract.html), another 403
    # (…/devguide/runtime-troubleshooting.html).
    LogMetric(
        AGENT_FAILED,
        "{ " + " || ".join(f'$.integrationStatus = "{status}"' for status in (401, 402, 403, 404, 424)) + " }",
    ),
)


def namespace(name: str) -> str:
    """The namespace of a stack's own metrics."""
    return f"AgentStream/{name}"


def log_metrics(name: str, log_group: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
    """Declare a metric filter for each of `LOG_METRICS` on the access log."""
    for metric in LOG_METRICS:
        aws.cloudwatch.LogMetricFilter(
            f"{name}-{metric.name}",
            name=metric.name,
            log_group_name=log_group,
            pattern=metric.pattern,
            metric_transformation={
                "namespace": namespace(name),
                "name": metric.name,
                "value": metric.value,
                "unit": metric.unit,
                # Without a default a counter has no data while nothing is counted, as if the filter did not work.
                "default_value": "0" if metric.value == "1" else None,
            },
            opts=opts,
        )
