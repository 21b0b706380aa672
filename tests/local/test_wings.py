"""The wings of the local run: each imports only from those before it, so each can be read by itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from local import ROOT

WINGS = ("program", "processes", "doubles", "planes", "run")


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_imports_from_those_before_it(wing: str) -> None:
    later = WINGS[WINGS.index(wing) + 1 :]
    files = sorted((ROOT / "local" / wing).rglob("*.py"))
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in sorted(imports(path))
        if name.startswith(tuple(f"local.{each}" for each in later))
    ]
    assert len(files) > 1
    assert not wrong


def test_nothing_lies_outside_the_wings() -> None:
    folders = {path.name for path in (ROOT / "local").iterdir() if path.is_dir() and path.name != "__pycache__"}
    modules = {path.name for path in (ROOT / "local").glob("*.py")}
    assert (folders, modules) == (set(WINGS), {"__init__.py", "__main__.py"})


def test_a_command_that_starts_no_chain_loads_none() -> None:
    code = "import local.run.commands, sys; print({'aiohttp', 'pulumi', 'starlette'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"
