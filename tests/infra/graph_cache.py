"""Evaluated graphs, kept in `.build` for as long as no source of the program changes.

An evaluation takes half a second, and the provider's modules two more in each process. A run of the tests has several
processes, and a developer runs it many times.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from filelock import FileLock

from local import ROOT
from local.program.graph import Graph
from tools.builds import BUILDS

FOLDERS = ("agent", "client", "infra", "local", "package", "policy", "tests/infra/page")
"""What a graph is made from, besides the files at the top; a test holds this against what an evaluation imports."""

MADE_BY = ("tests/infra/graphs.py", "tests/infra/graph_cache.py", "tests/policy/stacks.py")


def sources() -> list[Path]:
    """Every file that a graph may depend on."""
    below = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts)
    top = (path for pattern in ("*.py", "*.yaml", "*.txt") for path in ROOT.glob(pattern))
    return sorted(path for path in {*below, *top, *(ROOT / name for name in MADE_BY)} if path.is_file())


@cache
def folder() -> Path:
    """Where the graphs of the present sources are; those of earlier sources are deleted."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sources():
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    found = BUILDS / f"graphs-{digest.hexdigest()[:12]}"
    found.mkdir(parents=True, exist_ok=True)
    for other in BUILDS.glob("graphs-*"):
        if other != found:
            shutil.rmtree(other, ignore_errors=True)
    return found


def kept(key: str, evaluate: Callable[[], Graph]) -> Graph:
    """The graph with this key, evaluated unless it is there; another process that wants it too waits for it."""
    path = folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    with FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            made = path.with_suffix(".new")
            made.write_text(evaluate().to_json(), encoding="utf-8")
            made.replace(path)  # an interrupted write is never taken for whole
    return Graph.from_json(path.read_text(encoding="utf-8"))
