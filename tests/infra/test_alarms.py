"""Alarms look at metrics that somebody publishes, and go off for what breaks an answer, not for one unlucky request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agent.settings import Settings
from agent.telemetry import RunRecord
from local.program.graph import Graph, Resource
from tests.infra.graphs import environment_graph, stage_web_acl

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"

Metric = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name, dimensions: another value of any of the three is another metric."""


@pytest.fixture(scope="module")
def prod() -> Graph:
    return environment_graph("prod")


def watched(alarm: Resource) -> Iterator[Metric]:
    """The metrics that an alarm looks at, by itself or in an expression."""
    for each in [query["metric"] for query in alarm.inputs.get("metricQueries", ()) if "metric" in query] or [
        alarm.inputs
    ]:
        yield each["namespace"], each["metricName"], frozenset(each.get("dimensions", {}).items())


def published_by_aws(graph: Graph) -> set[Metric]:
    """Of the metrics that AWS's pages list, those that this stack would have with these dimensions.

    Sources: …/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html and
    …/waf/latest/developerguide/waf-metrics.html.
    """
    stage = {
        "ApiName": graph.one("aws:apigateway/restApi:RestApi").outputs["name"],
        "Stage": graph.one("aws:apigateway/stage:Stage").inputs["stageName"],
    }
    acl = stage_web_acl(graph).inputs["visibilityConfig"]["metricName"]
    over_all_rules = {"WebACL": acl, "Region": graph.region, "Rule": "ALL"}
    return {("AWS/ApiGateway", name, frozenset(stage.items())) for name in ("Count", "4XXError", "5XXError")} | {
        ("AWS/WAFV2", name, frozenset(over_all_rules.items())) for name in ("AllowedRequests", "BlockedRequests")
    }


def published_by_filters(graph: Graph) -> set[Metric]:
    made = [each.inputs["metricTransformation"] for each in graph.all(FILTER)]
    return {(each["namespace"], each["name"], frozenset(each.get("dimensions", {}).items())) for each in made}


def published_by_the_agent(graph: Graph) -> set[Metric]:
    """What CloudWatch makes of the line that the agent writes after each run."""
    variables = graph.one(RUNTIME).inputs["environmentVariables"]
    settings = Settings(model="scripted", name=variables["AGENT_NAME"])
    lines = [RunRecord(outcome=outcome).line(settings) for outcome in ("completed", "error")]
    return {
        (directive["Namespace"], metric["Name"], frozenset((name, line[name]) for name in dimensions))
        for line in lines
        for directive in line["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def test_every_alarm_looks_at_metrics_that_are_published_with_just_these_dimensions(prod: Graph) -> None:
    published = published_by_aws(prod) | published_by_filters(prod) | published_by_the_agent(prod)
    alarms = prod.all(ALARM)
    assert alarms
    for alarm in alarms:
        assert set(watched(alarm)) <= published, alarm.name


def test_each_place_where_an_answer_can_fail_has_its_alarm(prod: Graph) -> None:
    names = {name for alarm in prod.all(ALARM) for _, name, _ in watched(alarm)}
    assert {"5XXError", "AgentFailed", "Runs"} <= names
    failed_runs = next(each for each in prod.all(ALARM) if each.name.endswith("failed-runs"))
    assert ("Outcome", "error") in {pair for _, _, dimensions in watched(failed_runs) for pair in dimensions}


def test_an_agent_that_does_not_start_is_counted_whatever_agentcore_calls_it(prod: Graph) -> None:
    (pattern,) = (each.inputs["pattern"] for each in prod.all(FILTER) if each.inputs["name"] == "AgentFailed")
    assert all(f'"{status}"' in pattern for status in (401, 403, 404, 424))
    # A request that the caller got wrong, a session that is just starting, a throttle: the next one may be answered.
    assert not any(f'"{status}"' in pattern for status in (200, 400, 409, 429))


def shares(graph: Graph) -> list[Resource]:
    return [each for each in graph.all(ALARM) if "metricQueries" in each.inputs]


@pytest.mark.parametrize(
    ("failed", "every", "alarmed"),
    [(1, 1, False), (2, 2, False), (3, 3, True), (3, 1000, False), (49, 1000, False), (50, 1000, True)],
)
def test_a_share_is_an_alarm_from_a_few_failures_on(prod: Graph, failed: int, every: int, alarmed: bool) -> None:
    assert len(shares(prod)) == 3
    for alarm in shares(prod):
        (returned,) = [query for query in alarm.inputs["metricQueries"] if query.get("returnData")]
        assert alarm.inputs["comparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert (evaluated(returned["expression"], failed=failed, every=every) >= alarm.inputs["threshold"]) is alarmed


def evaluated(expression: str, **values: float) -> float:
    """A metric math expression, which is a Python one as far as the alarms go."""
    functions: dict[str, Any] = {"IF": lambda condition, then, otherwise: then if condition else otherwise}
    return float(eval(expression, {"__builtins__": {}, **functions}, dict(values)))  # noqa: S307 - the program's own
