"""Where each metric is: what AWS publishes, what the agent does, and metric filters for what only the access log holds.

The time to the first content is what a person waits for; API Gateway's own ``Latency`` of a stream is its whole length.
The log's values are strings, which metric filters read as numbers where they are ones; a request that never reached
the agent has ``-`` there and is filtered out.
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
"""Where the agent's log lines, which are metrics too, put them (agent/telemetry.py)."""


class Metric(NamedTuple):
    """A metric as CloudWatch knows it: another dimension would be another metric, and most likely an empty one."""

    namespace: str
    name: str
    dimensions: Mapping[str, pulumi.Input[str]] = {}


def stage_metric(name: str, api_name: pulumi.Output[str], stage: str) -> Metric:
    """One of API Gateway's, of a stage.

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
    """
    return Metric("AWS/ApiGateway", name, {"ApiName": api_name, "Stage": stage})


def web_acl_metric(name: str, web_acl: str, region: str) -> Metric:
    """One of WAF's, over all rules of a web ACL.

    Source: https://docs.aws.amazon.com/waf/latest/developerguide/waf-metrics.html
    """
    return Metric("AWS/WAFV2", name, {"WebACL": web_acl, "Region": region, "Rule": "ALL"})


def run_metric(agent: str) -> Metric:
    """The runs of a stack's agent, however they ended."""
    return Metric(AGENT_NAMESPACE, "Runs", {"Agent": agent})


def failed(runs: Metric) -> Metric:
    """Those runs that ended in an error; a refused one is the caller's fault, a stopped or abandoned one their wish."""
    return runs._replace(dimensions={**runs.dimensions, "Outcome": "error"})


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
    # What AgentCore says when the agent does not start or not answer, and when it refuses a request that the gateway
    # has let in: then the two disagree, and every user has the same answer. One page has 424 for an agent that does not
    # start, another 403 (…/devguide/runtime-http-protocol-contract.html, …/devguide/runtime-troubleshooting.html).
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
                # Without a default a quiet counter has no data, and an alarm cannot tell quiet from broken.
                "default_value": "0" if metric.value == "1" else None,
            },
            opts=opts,
        )
