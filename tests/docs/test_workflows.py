"""The workflows: nothing that a tag could move, no permission too many, no step that a person could not run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import ROOT

FOLDER = ROOT / ".github"
WORKFLOWS = sorted((FOLDER / "workflows").glob("*.yml"))
ACTIONS = sorted((FOLDER / "actions").glob("*/action.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def name(path: Path) -> str:
    return path.relative_to(FOLDER).as_posix()


def content(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def jobs(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from content(path)["jobs"].items()


def steps(path: Path) -> Iterator[dict[str, Any]]:
    if "runs" in content(path):
        yield from content(path)["runs"]["steps"]
    else:
        for _, job in jobs(path):
            yield from job["steps"]


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=name)
def test_every_action_is_pinned_to_a_commit_and_says_which_release_that_is(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text(encoding="utf-8"))
    assert used
    for action, comment in used:
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_one_action_has_one_commit_everywhere() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in (*WORKFLOWS, *ACTIONS))
    pins = set(re.findall(r"uses: ([^\s@]+)@(\S+)", texts))
    assert len(pins) == len({action for action, _ in pins})


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=name)
def test_every_script_is_one_make_target(path: Path) -> None:
    for step in steps(path):
        if "run" in step:
            called = re.fullmatch(r'make ("\$TARGET"|[a-z-]+)((?: [A-Z]+="?[.\w/$]+"?)*)', step["run"].strip())
            assert called, step["run"]
            assert called[1] == '"$TARGET"' or called[1] in TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_a_workflow_begins_with_no_permissions(path: Path) -> None:
    assert content(path)["permissions"] == {}
    for job_name, job in jobs(path):
        assert job["permissions"], job_name
        assert job["timeout-minutes"] <= 90


def test_ci_runs_targets_that_exist() -> None:
    ((_, job),) = jobs(FOLDER / "workflows" / "ci.yml")
    assert set(job["strategy"]["matrix"]["target"]) <= TARGETS
    assert {"demo", "test", "lint"} <= set(job["strategy"]["matrix"]["target"])


def test_ci_runs_all_that_the_one_script_runs() -> None:
    (script,) = re.findall(r"^exec make (.+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    ((_, job),) = jobs(FOLDER / "workflows" / "ci.yml")
    assert set(script.split()) <= set(job["strategy"]["matrix"]["target"])
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"make {script}" in guide


def test_updates_are_asked_for_wherever_there_is_a_lock_of_npm() -> None:
    asked = {each["directory"] for each in content(FOLDER / "dependabot.yml")["updates"]}
    locks = set()
    for folder, inner, files in os.walk(ROOT):
        inner[:] = set(inner) - {"node_modules", ".build", ".venv", ".git"}  # tens of thousands of folders
        if "package-lock.json" in files:
            locks.add(f"/{Path(folder).relative_to(ROOT).as_posix()}")
    assert locks
    assert locks <= asked


def test_nothing_is_taken_before_it_is_a_week_old() -> None:
    updates = content(FOLDER / "dependabot.yml")["updates"]
    assert {each["cooldown"]["default-days"] for each in updates} == {7}


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_no_pull_request_runs_with_our_secrets(path: Path) -> None:
    triggers = content(path)[True]  # YAML 1.1 takes `on` for true
    assert "pull_request_target" not in triggers
    if "pull_request" in triggers or "workflow_run" in triggers:
        assert "${{ secrets." not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_a_job_with_an_aws_role_is_bound_to_an_environment_and_writes_nothing_on_github(path: Path) -> None:
    for job_name, job in jobs(path):
        if job["permissions"].get("id-token") == "write":
            assert job["environment"], job_name
            assert {key for key, value in job["permissions"].items() if value == "write"} == {"id-token"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_no_checkout_leaves_its_token_behind(path: Path) -> None:
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_the_cli_is_the_release_that_the_program_is_tested_with() -> None:
    (tested,) = re.findall(r"^pulumi==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    texts = "".join(path.read_text(encoding="utf-8") for path in (*WORKFLOWS, *ACTIONS))
    assert set(re.findall(r"pulumi-version: (\S+)", texts)) == {tested}


def test_the_agents_image_is_built_from_one_digest_and_never_from_a_tag_alone() -> None:
    recipe = (ROOT / "agent" / "Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM (?:--platform=\S+ )?(\S+) AS (\S+)$", recipe, re.MULTILINE)
    made = {name for _, name in stages}
    (base,) = {source for source, _ in stages if source not in made}
    assert re.fullmatch(r"[\w./-]+:\d[\w.-]+@sha256:[0-9a-f]{64}", base)


def test_only_the_job_that_attaches_a_releases_files_may_write_and_it_builds_nothing() -> None:
    found = dict(jobs(FOLDER / "workflows" / "release.yml"))
    writing = [name for name, job in found.items() if "write" in job["permissions"].values()]
    assert writing == ["attach"]
    assert [step["run"] for step in found["attach"]["steps"] if "run" in step] == ["make release-upload"]
