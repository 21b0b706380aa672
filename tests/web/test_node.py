"""A machine without Node builds the page and runs its tests with the pinned one."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tools.node import NodeError, node_environment


def test_the_pinned_node_comes_with_an_npm_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    try:
        environment = node_environment()
    except NodeError as error:
        pytest.skip(str(error))  # no network
    npm = shutil.which("npm", path=environment["PATH"])
    assert npm is not None
    environment["PATH"] += ":/bin:/usr/bin"  # for env, which finds node
    argv = [npm, "exec", "--", "node", "--version"]
    said = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert said.stdout.startswith("v24."), said.stderr
