"""The peer's metrics, of the access log, and its dashboard."""

from collections.abc import Iterable

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from bench.cdk.api import StreamingApi
from bench.cdk.texts import FILTERS

Metrics = list[cloudwatch.IMetric]


class Observability(Construct):
    """What is seen."""

    def __init__(self, scope: Construct, id_: str, *, name: str, api: StreamingApi, runtime_id: str) -> None:
        super().__init__(scope, id_)
        own = f"AgentStream/{name}"
        for metric, counted in FILTERS.items():
            logs.MetricFilter(
                self,
                metric,
                log_group=api.access_log,
                filter_name=metric,
                filter_pattern=logs.FilterPattern.literal(counted.pattern),
                metric_namespace=own,
                metric_name=metric,
                metric_value=counted.milliseconds or "1",
                default_value=None if counted.milliseconds else 0,
                unit=cloudwatch.Unit.MILLISECONDS if counted.milliseconds else cloudwatch.Unit.COUNT,
            )
        of_stage = {"ApiName": api.rest_api.rest_api_name, "Stage": api.rest_api.deployment_stage.stage_name}
        of_acl = {"WebACL": f"{name}-firewall", "Region": Stack.of(self).region, "Rule": "ALL"}
        requests = ("AllowedRequests", "BlockedRequests", "CountedRequests")
        refusals = [metric for metric, counted in FILTERS.items() if not counted.milliseconds]
        search = f"SEARCH('Namespace=\"AWS/Bedrock-AgentCore\" \"{runtime_id}\"', 'Sum', 300)"
        agentcore = cloudwatch.MathExpression(expression=search, using_metrics={}, period=Duration.minutes(5))
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=name,
            widgets=[
                [
                    _graph("Time to first content (ms)", _spread(own, "TimeToFirstContent", ("p50", "p95", "p99"))),
                    _graph("Length of streams (ms)", _spread(own, "StreamDuration", ("p50", "p95", "Maximum"))),
                ],
                [
                    _graph("Requests and errors", _sums("AWS/ApiGateway", ("Count", "4XXError", "5XXError"), of_stage)),
                    _graph("Refusals by kind", _sums(own, refusals, {})),
                ],
                [_graph("Web ACL", _sums("AWS/WAFV2", requests, of_acl)), _graph("AgentCore", [agentcore])],
                [
                    cloudwatch.LogQueryWidget(
                        title="Slowest first words",
                        log_group_names=[api.access_log.log_group_name],
                        query_lines=[
                            "filter timeToFirstContent != '-'",
                            "fields @timestamp, requestId, status, timeToFirstContent, integrationLatency",
                            "sort timeToFirstContent desc",
                            "limit 20",
                        ],
                        width=12,
                    )
                ],
            ],
        )


def _graph(title: str, metrics: Metrics) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=metrics, width=12)


def _spread(namespace: str, name: str, statistics: Iterable[str]) -> Metrics:
    return [cloudwatch.Metric(namespace=namespace, metric_name=name, statistic=each) for each in statistics]


def _sums(namespace: str, names: Iterable[str], dimensions: dict[str, str]) -> Metrics:
    return [
        cloudwatch.Metric(namespace=namespace, metric_name=each, statistic="Sum", dimensions_map=dimensions)
        for each in names
    ]
