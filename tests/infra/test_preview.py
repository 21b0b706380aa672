"""The real `pulumi preview`, without an AWS account: what a pull request from a fork gets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from local import ROOT
from tests.infra.graphs import ENVIRONMENTS

DOCUMENT = ROOT / "docs" / "preview.md"


def documented_settings() -> dict[str, str]:
    """The placeholder settings as docs/preview.md gives them, so that what is documented is what is tried."""
    return dict(re.findall(r"^\s+(aws:\w+): \"?([^\s\"]+)\"?", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))


def documented_environment() -> dict[str, str]:
    return dict(re.findall(r"^export (\w+)=(\S+)", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_page_gives_what_a_preview_needs() -> None:
    assert {"aws:skipCredentialsValidation", "aws:skipRequestingAccountId"} <= set(documented_settings())
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PULUMI_CONFIG_PASSPHRASE"} <= set(documented_environment())


@pytest.mark.engine
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("pulumi") is None, reason="the Pulumi CLI is not on the PATH")
@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_preview_of_every_environment_needs_no_account(stack: str, tmp_path: Path) -> None:
    project = copy_of_project(tmp_path)
    environment = {**os.environ, **documented_environment(), "PULUMI_BACKEND_URL": f"file://{tmp_path}"}
    pulumi(project, environment, "stack", "select", "--create", stack)
    for key, value in documented_settings().items():
        pulumi(project, environment, "config", "set", key, value, "--stack", stack)
    told = pulumi(project, environment, "preview", "--stack", stack, "--policy-pack", str(ROOT / "policy"))
    assert "to create" in told


def copy_of_project(target: Path) -> Path:
    """The program in a folder of its own: the CLI writes to the stack files of the one it runs in."""
    project = target / "project"
    project.mkdir()
    for folder in ("infra", "agent", "tools"):
        shutil.copytree(ROOT / folder, project / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (ROOT / "__main__.py", *ROOT.glob("Pulumi*.yaml")):
        shutil.copy(file, project)
    (project / ".venv").symlink_to(ROOT / ".venv")
    return project


def pulumi(project: Path, environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=project,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
