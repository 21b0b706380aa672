"""An import that the deployed agent would not have is refused before it is deployed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from package import build as builder
from package.build import PackageError, build
from package.contents import ROOT
from package.imports import missing_imports, refusal
from tests.e2e.project import copy_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with this project's requirements and an empty agent."""
    (tmp_path / "agent").mkdir()
    shutil.copyfile(ROOT / "agent" / "requirements.txt", tmp_path / "agent" / "requirements.txt")
    return tmp_path


def write(project: Path, source: str) -> None:
    (project / "agent" / "agent.py").write_text(source, encoding="utf-8")


def test_the_shipped_agent_has_all_it_imports() -> None:
    assert missing_imports() == []


@pytest.mark.parametrize(
    ("source", "requirement"),
    [
        ("import typer", "typer"),
        ("import typer.main as main", "typer"),
        ("from PIL import Image", "PIL"),
        ("def tool():\n    import typer", "typer"),
        ("import jwt, typer", "typer"),
        ("from dateutil.x import parser\nimport _pytest", "pytest"),
        ("import not_to_be_had", "not_to_be_had"),
        ("try:\n    pass\nfinally:\n    import typer", "typer"),
        ("try:\n    pass\nexcept ValueError:\n    import typer", "typer"),
        ("match 1:\n    case 1:\n        import typer", "typer"),
        ("if TYPE_CHECKING:\n    import typer\nelse:\n    import rich_click", "rich_click"),
    ],
)
def test_what_only_the_development_tools_brought_is_found(project: Path, source: str, requirement: str) -> None:
    write(project, source)
    (missing,) = missing_imports(project)
    assert missing.requirement == requirement
    assert missing.file == "agent/agent.py"
    assert f"add the line `{requirement}` to agent/requirements.in" in refusal([missing])


@pytest.mark.parametrize(
    "source",
    [
        "import json, os.path",
        "import strands.models.bedrock",
        "import yaml\nfrom google import protobuf",
        "from . import errors\nfrom agent.errors import Code",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import typer",
        "try:\n    import typer\nexcept ImportError:\n    typer = None",
        "import importlib\nimportlib.import_module('typer')",
        "not python at all",
    ],
)
def test_what_the_agent_has_or_can_do_without_is_not(project: Path, source: str) -> None:
    write(project, source)
    assert missing_imports(project) == []


def test_a_folder_of_the_project_is_not_to_be_had_by_a_requirement(project: Path) -> None:
    (project / "client").mkdir()
    (project / "client" / "ask.py").touch()
    write(project, "import typer\nfrom client.ask import ask")
    assert refusal(missing_imports(project)) == (
        "The deployed agent would not have what it imports: agent/agent.py:1 imports typer, agent/agent.py:2 imports "
        "client; add the line `typer` to agent/requirements.in and run `make lock` and `make setup`, and move the "
        "needed code from client/ into agent/, because only that folder is shipped."
    )


def test_the_package_is_not_built(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(project, "import typer")
    monkeypatch.setattr(builder, "missing_imports", lambda: missing_imports(project))
    with pytest.raises(PackageError, match="imports typer"):
        build(tmp_path / "dist" / "agent.zip")
    assert not (tmp_path / "dist").exists()


def test_the_local_run_says_so_before_it_starts_anything(tmp_path: Path) -> None:
    copy = copy_project(tmp_path / "project")
    agent = copy / "agent" / "agent.py"
    agent.write_text("import typer\n" + agent.read_text(encoding="utf-8"), encoding="utf-8")
    command = [sys.executable, "-m", "local", "up"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "agent/agent.py:1 imports typer; add the line `typer` to agent/requirements.in" in done.stderr
    assert not (copy / ".local").exists()
