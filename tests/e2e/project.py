"""A copy of the project that a test may edit, and what is left of the processes that it started."""

from __future__ import annotations

import shutil
from pathlib import Path

from local import ROOT

COPIED = (
    "agent",
    "client",
    "infra",
    "local",
    "package",
    "tools",
    "contract.py",
    "__main__.py",
    "Pulumi.yaml",
    "Pulumi.dev.yaml",
)

PROGRAM_WITHOUT_END = "import time\n\nwhile True:\n    time.sleep(1)\n"


def copy_project(folder: Path, program: str | None = None) -> Path:
    """The project in another folder, with another program in its `__main__.py` where one is given."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    # What the tests ask is here the copy's own agent, which a test may edit.
    shutil.copy2(ROOT / "tests" / "reference_agent.py", folder / "agent" / "agent.py")
    (folder / "tests").mkdir()
    (folder / "tests" / "reference_agent.py").write_text("from agent.agent import build_agent as build_agent\n")
    if program is not None:
        (folder / "__main__.py").write_text(program)
    return folder


def processes_with(marker: str) -> dict[int, str]:
    """The command line of every process whose environment has this in it, by process id; Linux only."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (path / "environ").read_bytes() and int(path.name):
                found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it is gone by now, or another user's
            continue
    return found
