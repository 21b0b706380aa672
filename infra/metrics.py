"""Metrics that the access log holds and API Gateway does not publish, as metric filters.

The time to the first content is what a person waits for; API Gateway's own ``Latency`` of a stream is its whole length.
The log's values are strings, which metric filters read as numbers where they are ones; a request that never reached
the agent has ``-`` there and is filtered out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

TIME_TO_FIRST_CONTENT = "TimeToFirstContent"
STREAM_DURATION = "StreamDuration"
UNAUTHORIZED = "Unauthorized"
RUNTIME_THROTTLES = "RuntimeThrottles"


class LogMetric(NamedTuple):
    """One metric filter.

    Attributes:
        name: the metric's name.
        pattern: which lines count (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html).
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
    # An answer that came in one piece although the stack declares STREAM: somebody changed the API by hand.
    LogMetric("Buffered", '{ $.responseTransferMode = "BUFFERED" }'),
    LogMetric("BadRequest", '{ $.status = "400" }'),
    LogMetric(UNAUTHORIZED, '{ $.status = "401" }'),
    LogMetric("Forbidden", '{ $.status = "403" }'),
    LogMetric("Throttled", '{ $.status = "429" && $.integrationStatus = "-" }'),
    LogMetric(RUNTIME_THROTTLES, '{ $.integrationStatus = "429" }'),
    LogMetric("AgentFailed", '{ $.integrationStatus = "424" }'),
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
                # Without a default a quiet counter has no data, and an alarm cannot tell quiet from broken.
                "default_value": "0" if metric.value == "1" else None,
            },
            opts=opts,
        )
