"""A `pulumi` on the PATH that a test can ask how it was called, and graphs that are evaluated once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import local.program.check
from tests.infra.graphs import environment_graph
from tests.tools.fake_pulumi import FakePulumi


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check before a deployment gets the graphs that the tests share, of which each is evaluated once."""
    monkeypatch.setattr(local.program.check, "evaluate", lambda stack, _provider: environment_graph(stack))


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePulumi:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return FakePulumi(folder)
