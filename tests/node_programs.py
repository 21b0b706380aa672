"""Programs for Node that stand in the tests' folders, beside their installed dependencies."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

needs_node = pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm")


def installed(program: Path) -> Path:
    """Return a copy of the folder `program` with its dependencies, kept between runs in the build folder.

    Without the network there is nothing to test with, and the test is skipped.

    It is installed in a folder of its own and then renamed: an interrupted install, or one that another test process
    does at the same time, is never taken for a whole one.
    """
    contents = sha256(b"".join(path.read_bytes() for path in sorted(program.iterdir()))).hexdigest()
    folder = ROOT / ".build" / f"{program.name}-{contents[:12]}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
            beside = Path(shutil.copytree(program, Path(parent) / program.name))
            install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
            done = subprocess.run(install, cwd=beside, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"npm cannot install what {program.name} needs: {done.stderr.strip()[:300]}")
            with suppress(OSError):  # it is there by now: somebody else's install is as good
                beside.rename(folder)
    return folder
