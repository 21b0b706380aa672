"""A `pulumi` on the PATH that a test can ask how it was called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tools.fake_pulumi import FakePulumi


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePulumi:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return FakePulumi(folder)
