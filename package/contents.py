"""The contents of the agent's deployment package, and its name.

The name is a digest of everything that the package is built from. So the Pulumi program can be evaluated before the
package exists, and a changed agent has a new S3 key, which AgentCore deploys. A new object under an old key would
change no argument of the runtime, and the old code would keep running.
"""

from __future__ import annotations

import hashlib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

NOT_SHIPPED = ("__pycache__", ".*", "*.md", "Dockerfile", "requirements.in")
"""Names below ``agent/`` that neither the package nor the image contains; ``agent/.dockerignore`` has the same list."""

OPTIONAL = {"langgraph/": "langgraph", "strands/ollama.py": "ollama"}
"""Paths below ``agent/`` that are shipped only if the package on the right is pinned in ``agent/requirements.txt``."""


def shipped_files(root: Path = ROOT) -> list[Path]:
    """Return every file below ``agent/`` that the package and the image contain, sorted by name."""
    agent = root / "agent"
    pins = (agent / "requirements.txt").read_text(encoding="utf-8")
    unpinned = tuple(name for name, package in OPTIONAL.items() if f"\n{package}==" not in f"\n{pins}")
    return sorted(
        path
        for path in agent.rglob("*")
        if path.is_file()
        and not path.relative_to(agent).as_posix().startswith(unpinned)
        and not any(fnmatch(part, name) for part in path.relative_to(agent).parts for name in NOT_SHIPPED)
    )


def package_digest(root: Path = ROOT) -> str:
    """Return the first 16 hexadecimal characters of a SHA-256 over the names and contents of the package's inputs.

    These are the shipped files, which include the pinned requirements, and the builder: this folder.
    """
    digest = hashlib.sha256()
    for path in (*shipped_files(root), *sorted((root / "package").glob("*.py"))):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def package_path() -> Path:
    """Return the path to which ``make package`` writes the package of the current sources."""
    return ROOT / "dist" / f"agent-{package_digest()}.zip"
