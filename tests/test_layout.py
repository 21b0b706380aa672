"""Which folder may import which (docs/architecture.md), and that no two modules import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from local import ROOT

MAY_IMPORT: Mapping[str, set[str]] = {
    "contract": set(),
    "agent": set(),
    "bootstrap": set(),
    "package": set(),
    "policy": {"contract"},
    "client": {"contract"},
    "infra": {"contract", "package"},
    "local": {"agent", "client", "contract", "infra", "package", "policy"},
    "tools": {"client", "contract", "infra", "local", "package"},
    "bench": {"agent", "client", "contract", "infra", "local", "package", "tools"},
}


def modules(folder: str) -> dict[str, Path]:
    """The files of a folder by their module's name."""
    files = [ROOT / f"{folder}.py"] if (ROOT / f"{folder}.py").exists() else sorted((ROOT / folder).rglob("*.py"))
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in files}
    return {name.removesuffix(".__init__"): path for name, path in names.items()}


@cache
def imported(path: Path) -> frozenset[str]:
    """Every name that a file imports, wherever in it, for the type checker alone too."""
    return frozenset(names_in(path))


def names_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_from_those_below_it(folder: str) -> None:
    found = {name.partition(".")[0] for path in modules(folder).values() for name in imported(path)}
    assert found & MAY_IMPORT.keys() - {folder} <= MAY_IMPORT[folder]


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT.keys() - {"agent", "contract"}))
def test_no_two_modules_import_each_other(folder: str) -> None:
    known = modules(folder)
    graph = {name: {each for each in imported(path) if each in known and each != name} for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' → '.join(error.args[1])}")
