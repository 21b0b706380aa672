"""`python -m local check`: over files of the project's own and over ones that are wrong."""

from __future__ import annotations

import json

import pytest

from local.program import check as checking
from local.program import cost
from local.program.evaluate import evaluate
from package.imports import Import
from tests.infra.graphs import changed_settings, environment_graph
from tests.local.program.conftest import Run


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check gets the graphs that the tests share, of which each is evaluated once."""
    monkeypatch.setattr(checking, "evaluate", lambda stack, _provider: environment_graph(stack))


def test_a_sound_stack_passes_and_says_what_was_looked_at(run: Run) -> None:
    code, printed = run("check", "--stack", "prod", "--json")
    results = json.loads(printed)
    assert not code, results
    assert [each["name"] for each in results] == ["settings", "guard rails", "cost", "package"]
    assert [each["problems"] for each in results] == [[], [], [], []]


@pytest.mark.usefixtures("evaluated")
def test_the_estimate_is_the_one_of_local_cost() -> None:
    (seen,) = (each.seen for each in checking.check("prod") if each.name == "cost")
    *_, whole = cost.rows(environment_graph("prod"), cost.Usage())
    for dollars, size in zip(whole[2:], cost.SIZES, strict=True):
        assert f"{dollars} for {size:,}" in seen


def test_a_stack_that_is_not_there_fails_with_the_names_of_those_that_are(run: Run) -> None:
    code, printed = run("check", "--stack", "nosuch")
    assert code == 1
    assert "known are dev" in printed


def test_wrong_settings_are_told_and_the_package_is_looked_at_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = changed_settings("prod", {"runtime": {"bypassProtection": "none"}})
    monkeypatch.setattr(checking, "evaluate", lambda stack, provider: evaluate(stack, provider, settings=wrong))
    settings, package = checking.check("prod")
    assert "bypassProtection" in settings.problems[0]
    assert package.problems == ()


def test_what_the_guard_rails_find_is_told_by_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = environment_graph("prod")
    kept = tuple(one for one in graph.resources if "webAclAssociation" not in one.type)
    bare = type(graph)(graph.project, graph.stack, graph.region, kept, graph.outputs)
    monkeypatch.setattr(checking, "evaluate", lambda _stack, _provider: bare)
    _, guard_rails, *_ = checking.check("prod")
    assert [each.partition(":")[0] for each in guard_rails.problems] == ["web-acl-on-stage"]


@pytest.mark.usefixtures("evaluated")
def test_an_import_that_the_package_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [Import("agent/agent.py", 3, "aiohttp", "aiohttp")]
    monkeypatch.setattr(checking, "missing_imports", lambda: missing)
    *_, package = checking.check("dev")
    assert "agent/agent.py:3 imports aiohttp" in package.problems[0]
