"""Node for the page: the machine's where it is new enough, else the one that `web/requirements.txt` pins."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tools.node import NodeError, node_environment

NO_NETWORK = {"UV_OFFLINE": "1", "UV_NO_CACHE": "1"}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs with a Node in it that says of itself what a test makes it say."""
    for name in ("node", "npm"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\ncat "{tmp_path}/version"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    for name, value in NO_NETWORK.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.mark.parametrize("version", ["v20.19.0", "v24.0.1"])
def test_the_machine_s_node_is_used_where_it_is_new_enough(machine: Path, version: str) -> None:
    (machine / "version").write_text(f"{version}\n")
    assert shutil.which("npm", path=node_environment(machine / "builds")["PATH"]) == str(machine / "npm")
    assert not (machine / "builds").exists()


@pytest.mark.parametrize("version", ["v18.20.4", "v20.18.9", "none"])
def test_one_that_is_too_old_is_not_and_where_the_pinned_one_cannot_be_had_a_sentence_says_so(
    machine: Path, version: str
) -> None:
    (machine / "version").write_text(f"{version}\n")
    with pytest.raises(NodeError, match=r"needs Node 20\.19 or newer, with npm: .* cannot be installed"):
        node_environment(machine / "builds")
    assert not list((machine / "builds").iterdir())


def test_one_without_npm_is_not_enough(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "version").write_text("v20.19.0\n")
    (machine / "npm").unlink()
    monkeypatch.setenv("PATH", str(machine))
    (machine / "cat").symlink_to("/bin/cat")
    with pytest.raises(NodeError):
        node_environment(machine / "builds")
