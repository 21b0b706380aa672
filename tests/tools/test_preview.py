"""Previews: with the stack's state, without anything, and for drift; and what a pull request is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.program.check import Result
from package import build
from package.contents import ROOT
from tests.infra.test_preview import documented_environment, documented_settings
from tests.tools.fake_pulumi import FakePulumi
from tools.preview import PLACEHOLDER_ENVIRONMENT, PLACEHOLDER_SETTINGS, main


@pytest.fixture(autouse=True)
def made_before(evaluated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step takes long: there is no package to build, and the graphs are those that the tests share."""
    monkeypatch.setattr(build, "main", lambda: 0)


def test_a_preview_runs_the_guard_rails_and_keeps_what_pulumi_says(pulumi: FakePulumi, tmp_path: Path) -> None:
    pulumi.answer(preview=("\x1b[32m+ 70 to create\x1b[0m", 3))
    assert main(["--stack", "prod", "--report", str(tmp_path / "new" / "prod.txt")]) == 3
    (argv,) = pulumi.commands
    assert argv[:3] == ["preview", "--stack", "prod"]
    assert argv[-2:] == ["--policy-pack", "policy"]
    assert (tmp_path / "new" / "prod.txt").read_text() == "+ 70 to create\n"


def test_without_an_account_it_works_on_a_copy_with_placeholders(pulumi: FakePulumi) -> None:
    assert main(["--stack", "dev", "--offline"]) == 0
    assert [argv[0] for argv in pulumi.commands] == ["stack", "config", "config", "config", "config", "preview"]
    for call in pulumi.calls:
        assert not Path(call["cwd"]).is_relative_to(ROOT)
        assert not Path(call["cwd"]).exists()  # the copy and its state are gone
        assert {name: call["env"][name] for name in PLACEHOLDER_ENVIRONMENT} == PLACEHOLDER_ENVIRONMENT
        assert call["env"]["PULUMI_BACKEND_URL"].startswith("file:///")


def test_what_a_first_preview_cannot_judge_is_checked_before_it(
    pulumi: FakePulumi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.preview.check", lambda stack: [Result("guard rails", (f"{stack}: no /invocations",))])
    report = tmp_path / "dev.txt"
    assert main(["--stack", "dev", "--offline", "--report", str(report)]) == 1
    assert report.read_text() == "dev cannot be deployed, and was not previewed:\ndev: no /invocations\n"
    assert pulumi.commands == []


def test_a_step_that_fails_ends_it(pulumi: FakePulumi) -> None:
    pulumi.answer(config=("error: no", 1))
    assert main(["--stack", "dev", "--offline"]) == 1
    assert [argv[0] for argv in pulumi.commands] == ["stack", "config"]


def test_the_placeholders_are_those_of_the_page() -> None:
    assert documented_settings() == PLACEHOLDER_SETTINGS
    assert PLACEHOLDER_ENVIRONMENT.items() <= documented_environment().items()


def test_looking_for_drift_refreshes_and_expects_nothing(pulumi: FakePulumi) -> None:
    assert main(["--stack", "prod", "--drift"]) == 0
    assert {"--refresh", "--expect-no-changes"} <= set(pulumi.commands[0])


def test_without_the_cli_the_report_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--stack", "dev", "--report", str(tmp_path / "dev.txt")]) == 2
    assert "install the Pulumi CLI" in (tmp_path / "dev.txt").read_text()
