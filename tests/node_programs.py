"""Programs for Node that stand in the tests' folders, beside their installed dependencies."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tools.builds import folder_of, make_once

needs_node = pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm")


def installed(program: Path) -> Path:
    """Return a copy of the folder `program` with its dependencies, kept between runs in the build folder.

    Without the network there is nothing to test with, and the test is skipped.
    """

    def install(made: Path) -> None:
        shutil.copytree(program, made)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot install what {program.name} needs: {done.stderr.strip()[:300]}")

    folder = folder_of(program.name, sorted(program.iterdir()))
    make_once(folder, install)
    return folder
