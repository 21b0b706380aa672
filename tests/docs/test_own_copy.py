"""docs/your-own-copy.md and docs/new-environment.md, followed step by step in a copy of the project."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local import ROOT
from tests.docs.commands import commands
from tests.docs.reader import LEFT_OUT
from tests.infra.graphs import PROJECT

FILES = ("tests/infra/test_settings_files.py", "tests/infra/test_schema.py")
GRAPH = ("tests/infra/test_mechanisms.py", "tests/policy/test_rules.py::TestSilence")
"""Tests that look at the stack files, and at what they declare."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in another folder, its ``.venv`` this interpreter's."""
    folder = tmp_path_factory.mktemp("own") / "copy"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT, "__pycache__"))
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def follow(page: str, folder: Path) -> str:
    """Run what the page says, but for what needs an account; gives all that was printed."""
    lines = [each.line for each in commands() if each.page == page and not each.needs_aws]
    assert lines
    return "".join(run(["bash", "-euc", line], folder) for line in lines)


def run(argv: list[str], folder: Path) -> str:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_tests(folder: Path, *tests: str) -> str:
    return run([sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *tests], folder)


def test_the_steps_of_the_page_leave_a_copy_that_is_green(copy: Path) -> None:
    said = follow("docs/your-own-copy.md", copy)
    assert "The project is named my-chat" in said
    assert f"{PROJECT}:" not in "".join(path.read_text(encoding="utf-8") for path in copy.glob("Pulumi*.yaml"))
    run_tests(copy, *FILES)


def test_a_new_environment_is_tested_like_the_others(copy: Path) -> None:
    said = follow("docs/new-environment.md", copy)
    assert "rules hold" in said
    report = run_tests(copy, *FILES, *GRAPH)
    assert report.count("prod-eu") > 5
