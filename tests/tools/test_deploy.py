"""A deployment goes step by step: what fails stops it, and nothing after it begins."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path

import pytest

import local.program.check
from local.program.graph import Graph
from package import build
from tests.infra.graphs import environment_graph
from tests.tools.fake_pulumi import FakePulumi
from tools import deploy
from tools.deploy import main, previous_of

UP = ["up", "--stack", "dev", "--policy-pack", "policy"]
UNASKED = ["--yes", "--non-interactive"]
OUTPUT = ["stack", "output", "--json", "--stack", "dev", "--non-interactive"]


@pytest.fixture(autouse=True)
def made_before(evaluated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step takes long: there is no package to build, and the graphs are those that the tests share."""
    monkeypatch.setattr(build, "main", lambda: 0)
    for name in ("DOCTOR_USERNAME", "DOCTOR_PASSWORD", "PULUMI_OPTION_YES"):
        monkeypatch.delenv(name, raising=False)


def buffered(graph: Graph) -> Graph:
    """The graph with the stream taken out of its integration."""

    def change(outputs: dict[str, object]) -> dict[str, object]:
        return {**outputs, "responseTransferMode": "BUFFERED"} if "responseTransferMode" in outputs else outputs

    resources = tuple(dataclasses.replace(each, outputs=change(dict(each.outputs))) for each in graph.resources)
    return dataclasses.replace(graph, resources=resources)


def test_pulumi_previews_asks_and_deploys_and_then_the_doctor_looks(
    pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    # The doctor gets no outputs, so it can look at nothing; a new stack, where nobody is signed in, is as far.
    pulumi.answer(stack=("", 1))
    assert main(["--stack", "dev"]) == 0
    assert pulumi.commands == [UP, OUTPUT]
    assert "client login --stack dev" in capsys.readouterr().out


def test_a_delivery_asks_nobody(pulumi: FakePulumi) -> None:
    pulumi.answer(stack=("", 1))
    assert main(["--stack", "dev", "--yes"]) == 0
    assert pulumi.commands[0] == UP + UNASKED


def test_what_the_guard_rails_refuse_never_reaches_pulumi(
    pulumi: FakePulumi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = buffered(environment_graph("dev"))
    monkeypatch.setattr(local.program.check, "evaluate", lambda *_arguments, **_options: broken)
    assert main(["--stack", "dev"]) == 1
    assert pulumi.commands == []
    assert "Declare responseTransferMode STREAM" in capsys.readouterr().err


def test_a_package_that_cannot_be_built_stops_everything(pulumi: FakePulumi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "main", lambda: 2)
    assert main(["--stack", "dev"]) == 1
    assert pulumi.commands == []


def test_an_unknown_stack_is_told_in_a_sentence(pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack", "nowhere"]) == 1
    assert pulumi.commands == []
    assert "There is no stack 'nowhere'" in capsys.readouterr().err


def test_an_update_that_fails_is_not_looked_at_and_says_how_to_go_on(
    pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.answer(up=("error: the token has expired", 255))
    assert main(["--stack", "dev"]) == 1
    assert pulumi.commands == [UP]
    assert "pulumi cancel --stack dev" in capsys.readouterr().err


def test_a_fault_that_the_doctor_finds_fails_the_deployment(
    pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.answer(stack=(json.dumps({"region": "us-east-1"}), 0))  # outputs that lack nearly all
    assert main(["--stack", "dev"]) == 1
    assert "the doctor found a fault" in capsys.readouterr().out


def test_without_the_cli_nothing_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "main", lambda: pytest.fail("the package was built for nothing"))
    assert main(["--stack", "dev"]) == 1
    assert "install the Pulumi CLI" in capsys.readouterr().err


class TestGoingBack:
    """To an earlier tag, in a repository of the test's own whose `make up` writes down which sources ran it."""

    @pytest.fixture
    def repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        root = tmp_path / "project"
        root.mkdir()
        for name in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{name}_NAME", "a")
            monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.com")
        recipe = f"up:\n\t@echo $(STACK) $$(cat release) $$PULUMI_OPTION_YES >> {tmp_path}/deployed\n"
        (root / "Makefile").write_text(recipe)
        git(root, "init", "-q")
        for release in ("v1", "v2"):
            (root / "release").write_text(release)
            git(root, "add", "-A")
            git(root, "commit", "-qm", release)
            git(root, "tag", release)
        monkeypatch.setattr(deploy, "ROOT", root)
        monkeypatch.setattr(deploy, "WORKTREE", tmp_path / "previous")
        monkeypatch.setattr(deploy, "doctor", lambda _stack: deploy.FAULT_FOUND)
        return root

    def test_the_earlier_release_is_deployed_again_and_the_run_fails(
        self, repository: Path, pulumi: FakePulumi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for _again in range(2):  # the work tree of the first time is in nobody's way
            assert main(["--stack", "dev", "--yes", "--previous", "earlier-release"]) == 1
        assert (tmp_path / "deployed").read_text() == "dev v1 true\n" * 2
        assert "dev runs v1 again" in capsys.readouterr().err
        assert (repository / "release").read_text() == "v2"

    def test_going_back_that_fails_calls_for_a_person(
        self, repository: Path, pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--stack", "dev", "--yes", "--previous", "v0"]) == 1
        assert "repair the stack by hand" in capsys.readouterr().err

    def test_there_is_nothing_before_the_first_release_or_the_first_push(self, repository: Path) -> None:
        assert previous_of("earlier-release") == "v1"
        git(repository, "tag", "-d", "v1")
        assert previous_of("earlier-release") == ""
        assert previous_of("0" * 40) == ""
        assert previous_of("4f1f4ae") == "4f1f4ae"


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
