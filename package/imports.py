"""Finds imports of the agent that are missing in its package: ``import aiohttp`` works on a development machine, where
another tool requires it, and fails on AgentCore.

The sources are parsed, not imported; an import of a computed name is not found.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from package.contents import ROOT, shipped_files

__all__ = ["Import", "missing_imports", "refusal"]

DEVELOPMENT = frozenset({"blockbuster"})
"""Packages that the agent imports only if they are installed."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import that is missing in the package, and the requirement that would provide it.

    `requirement` is None for a folder of this project.
    """

    file: str
    line: int
    name: str
    requirement: str | None


def missing_imports(root: Path = ROOT) -> list[Import]:
    """Return the imports of ``agent/`` that no pinned requirement in ``agent/requirements.txt`` provides, in order."""
    pinned = _pinned(root / "agent" / "requirements.txt")
    return [missing for path in shipped_files(root) if path.suffix == ".py" for missing in _missing(path, root, pinned)]


def refusal(missing: Sequence[Import]) -> str:
    """Return one sentence that names the missing imports and what to do."""
    where = ", ".join(f"{one.file}:{one.line} imports {one.name}" for one in missing)
    lines = ", ".join(f"`{name}`" for name in dict.fromkeys(one.requirement for one in missing) if name)
    own = ", ".join(f"{name}/" for name in dict.fromkeys(one.name for one in missing if not one.requirement))
    what_to_do = (
        [f"add the line {lines} to agent/requirements.in and run `make lock` and `make setup`"] if lines else []
    )
    what_to_do += [f"move the needed code from {own} into agent/, because only that folder is shipped"] if own else []
    return f"The deployed agent would not have what it imports: {where}; {', and '.join(what_to_do)}."


@cache  # a distribution's name is in a file that has to be parsed
def _distributions_of(name: str) -> list[str]:
    """Return the normalized names of the installed distributions that have a top-level module `name`."""
    return [_normal(distribution.name) for distribution in _installed().get(name, ())]


@cache
def _installed() -> Mapping[str, Sequence[Distribution]]:
    """Return the installed distributions by the top-level names of their files.

    `importlib.metadata.packages_distributions` says the same, but makes a path of each of some 24,000 files, which
    takes half a second of every `python -m local up`.
    """
    installed: dict[str, list[Distribution]] = defaultdict(list)
    for distribution in distributions():
        record = distribution.read_text("RECORD") or ""
        for name in set(re.findall(r"^[^/.,]+", record, re.MULTILINE)):
            installed[name].append(distribution)
    return installed


def _missing(path: Path, root: Path, pinned: frozenset[str]) -> Iterator[Import]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # running the agent reports it better
    for name, line in _imports(tree):
        if name == "agent" or name in sys.stdlib_module_names or name in DEVELOPMENT:
            continue
        found = _distributions_of(name)
        if not pinned.intersection(found):
            own = any((root / name).glob("*.py"))
            requirement = None if own else (found or [name])[0]
            yield Import(path.relative_to(root).as_posix(), line, name, requirement)


def _imports(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the top-level name and the line of each import, without those for type checking and optional ones."""
    for child in _statements(node):
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


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements directly below a node, and the handlers and cases that hold others.

    An import is a statement, and only statements contain statements: expressions, most of a tree, are skipped.
    """
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        children = getattr(node, field, ())
        if isinstance(children, list):  # the body of a lambda is an expression
            yield from children


def _is_optional(block: ast.Try) -> bool:
    """Whether the block handles a failing import."""
    caught = {ast.unparse(handler.type) for handler in block.handlers if handler.type}
    return bool(caught & {"ImportError", "ModuleNotFoundError"})


def _pinned(requirements: Path) -> frozenset[str]:
    text = requirements.read_text(encoding="utf-8")
    return frozenset(
        _normal(name) for name in re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==", text, re.MULTILINE)
    )


def _normal(name: str) -> str:
    """Return the normalized name: https://peps.python.org/pep-0503/#normalized-names."""
    return re.sub(r"[-_.]+", "-", name).lower()
