"""docs/operations.md names everything that a stack shows of itself, and nothing else."""

from __future__ import annotations

import re

from infra.access_log import FIELDS
from local import ROOT
from local.program.graph import Graph
from tools.reference import with_outputs

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def rows(heading: str) -> set[str]:
    """What stands between backquotes in the first column of a section's table."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    columns = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    return {name for column in columns for name in re.findall(r"`([^`]+)`", column)}


def names(graph: Graph, kind: str) -> set[str]:
    """The names that resources have in AWS, the stack's own written as on the page."""
    stack = graph.outputs["stackName"]
    found = [one for one in graph.resources if one.type.endswith(f":{kind}")]
    return {str(one.inputs["name"]).replace(stack, "STACK") for one in found}


def test_every_output_has_its_row(everything: Graph, website: Graph) -> None:
    assert rows("Outputs") == {*everything.outputs, *website.outputs}
    assert with_outputs(PAGE) == PAGE, "run `python -m tools.reference`"


def test_every_log_group_has_its_row(everything: Graph) -> None:
    runtime = everything.outputs["runtimeId"]
    declared = {name.replace(runtime, "RUNTIMEID") for name in names(everything, "LogGroup")}
    assert declared == rows("Logs") | {"/aws/bedrock-agentcore/runtimes/RUNTIMEID-live"}


def test_every_metric_of_the_access_log_has_its_row(everything: Graph) -> None:
    assert rows("Metrics") == names(everything, "LogMetricFilter")


def test_every_alarm_has_its_row(everything: Graph) -> None:
    assert {f"STACK-{name}" for name in rows("Alarms")} == names(everything, "MetricAlarm")


def test_the_fields_that_it_explains_are_logged() -> None:
    logs = PAGE.partition("\n## Logs\n")[2].partition("\n## ")[0].partition("The access log's fields")[2]
    explained = set(re.findall(r"`([a-z][A-Za-z]+)`", logs))
    assert explained
    assert explained <= set(FIELDS)


def test_every_order_that_the_page_of_changes_promises_is_measured() -> None:
    page = (ROOT / "docs" / "changes.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "engine").glob("test_*.py"))
    assert len(named) > 12
    assert {each for each in named if f"def {each}(" not in sources} == set()
