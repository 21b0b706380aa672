"""Finds what the agent imports and its package would not have: ``import aiohttp`` works here, where the development
tools brought it along, and fails on AgentCore.

Read from the sources, so nothing is imported; an import by a name that is computed is not seen.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

from package.contents import ROOT, shipped_files

__all__ = ["Import", "missing_imports", "refusal"]

DEVELOPMENT = frozenset({"blockbuster"})
"""What the agent looks for and does without where it is not installed."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import of something that is not in the package: where it is, and the requirement that would give it.

    `requirement` is None for a folder of this project, which no requirement gives.
    """

    file: str
    line: int
    name: str
    requirement: str | None


def missing_imports(root: Path = ROOT) -> list[Import]:
    """Return the imports of ``agent/`` that nothing pinned in ``agent/requirements.txt`` gives, in order."""
    given = packages_distributions()
    pinned = _pinned(root / "agent" / "requirements.txt")
    return [
        missing
        for path in shipped_files(root)
        if path.suffix == ".py"
        for missing in _missing(path, root, given, pinned)
    ]


def refusal(missing: Sequence[Import]) -> str:
    """Return the one sentence that says which imports are missing and what to do."""
    where = ", ".join(f"{one.file}:{one.line} imports {one.name}" for one in missing)
    lines = ", ".join(f"`{name}`" for name in dict.fromkeys(one.requirement for one in missing) if name)
    own = ", ".join(f"{name}/" for name in dict.fromkeys(one.name for one in missing if not one.requirement))
    what_to_do = (
        [f"add the line {lines} to agent/requirements.in and run `make lock` and `make setup`"] if lines else []
    )
    what_to_do += [f"move what it needs of {own} into agent/, which alone is shipped"] if own else []
    return f"The deployed agent would not have what it imports: {where}; {', and '.join(what_to_do)}."


def _missing(path: Path, root: Path, given: Mapping[str, Sequence[str]], pinned: frozenset[str]) -> Iterator[Import]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # whoever runs it says so better
    for name, line in _imports(tree):
        if name == "agent" or name in sys.stdlib_module_names or name in DEVELOPMENT:
            continue
        distributions = [_normal(distribution) for distribution in given.get(name, ())]
        if not pinned.intersection(distributions):
            own = any((root / name).glob("*.py"))
            requirement = None if own else (distributions or [name])[0]
            yield Import(path.relative_to(root).as_posix(), line, name, requirement)


def _imports(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the top-level name and the line of each import that can be reached when the program runs."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name.partition(".")[0], child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            if child.module and not child.level:
                yield child.module.partition(".")[0], child.lineno
        elif isinstance(child, ast.If) and ast.unparse(child.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            for other in child.orelse:
                yield from _imports(ast.Module([other], []))
        elif not (isinstance(child, ast.Try) and _is_optional(child)):
            yield from _imports(child)


def _is_optional(block: ast.Try) -> bool:
    """Whether the author has said what to do without the import."""
    caught = {ast.unparse(handler.type) for handler in block.handlers if handler.type}
    return bool(caught & {"ImportError", "ModuleNotFoundError"})


def _pinned(requirements: Path) -> frozenset[str]:
    text = requirements.read_text(encoding="utf-8")
    return frozenset(
        _normal(name) for name in re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==", text, re.MULTILINE)
    )


def _normal(name: str) -> str:
    """The name as PEP 503 compares it: https://peps.python.org/pep-0503/#normalized-names."""
    return re.sub(r"[-_.]+", "-", name).lower()
