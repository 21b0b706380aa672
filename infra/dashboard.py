"""The body of the dashboard: response times, requests, refusals by layer, the agent. Declares no resource."""

from __future__ import annotations

from typing import Any

from infra.metrics import LOG_METRICS, STREAM_DURATION, TIME_TO_FIRST_CONTENT, namespace

WIDTH, HEIGHT = 12, 6
PERIOD = 300


def body(
    *, name: str, region: str, api_name: str, stage: str, web_acl: str, runtime_id: str, access_log: str
) -> dict[str, Any]:
    """The dashboard's body.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    own = namespace(name)
    stage_dimensions = ["ApiName", api_name, "Stage", stage]
    counted = [metric.name for metric in LOG_METRICS if metric.unit == "Count"]
    widgets = [
        _graph(
            region,
            "Time to first content (ms)",
            [[own, TIME_TO_FIRST_CONTENT, {"stat": stat}] for stat in ("p50", "p95", "p99")],
        ),
        _graph(
            region,
            "Length of streams (ms)",
            [[own, STREAM_DURATION, {"stat": stat}] for stat in ("p50", "p95", "Maximum")],
        ),
        _graph(
            region,
            "Requests and errors",
            [
                ["AWS/ApiGateway", metric, *stage_dimensions, {"stat": "Sum"}]
                for metric in ("Count", "4XXError", "5XXError")
            ],
        ),
        _graph(region, "Refusals by kind", [[own, metric, {"stat": "Sum"}] for metric in counted]),
        _graph(
            region,
            "Web ACL",
            [
                ["AWS/WAFV2", metric, "WebACL", web_acl, "Region", region, "Rule", "ALL", {"stat": "Sum"}]
                for metric in ("AllowedRequests", "BlockedRequests", "CountedRequests")
            ],
        ),
        # A search: AgentCore's metrics carry dimensions that differ by operation.
        _graph(
            region,
            "AgentCore",
            [[{"expression": f"SEARCH('Namespace=\"AWS/Bedrock-AgentCore\" \"{runtime_id}\"', 'Sum', {PERIOD})"}]],
        ),
        _slowest(region, access_log),
    ]
    for index, widget in enumerate(widgets):
        widget |= {"x": index % 2 * WIDTH, "y": index // 2 * HEIGHT, "width": WIDTH, "height": HEIGHT}
    return {"widgets": widgets}


def _graph(region: str, title: str, metrics: list[list[Any]]) -> dict[str, Any]:
    return {
        "type": "metric",
        "properties": {"title": title, "region": region, "metrics": metrics, "period": PERIOD, "view": "timeSeries"},
    }


def _slowest(region: str, access_log: str) -> dict[str, Any]:
    query = (
        f"SOURCE '{access_log}' | filter timeToFirstContent != '-' "
        "| fields @timestamp, requestId, status, timeToFirstContent, integrationLatency, responseBytes "
        "| sort timeToFirstContent desc | limit 20"
    )
    return {
        "type": "log",
        "properties": {"title": "Slowest first words", "region": region, "query": query, "view": "table"},
    }
