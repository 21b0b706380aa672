"""What is in the agent's deployment package, and its name.

The name is a digest of everything that the package is built from, so the Pulumi program can be evaluated before the
package exists, and a changed agent is a changed S3 key: AgentCore sees a new argument and deploys it. A new object
under an old key would change no argument, and old code would go on running.
"""

from __future__ import annotations

import hashlib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

NOT_SHIPPED = ("__pycache__", ".*", "*.md", "Dockerfile", "requirements.in")
"""Names below ``agent/`` that neither the package nor the image takes along; ``agent/.dockerignore`` has the same."""

OPTIONAL = {"langgraph/": "langgraph", "strands/ollama.py": "ollama"}
"""What of ``agent/`` is shipped only where the package beside it is pinned in ``agent/requirements.txt``."""


def shipped_files(root: Path = ROOT) -> list[Path]:
    """Every file below ``agent/`` that the package and the image hold, whatever its kind, sorted by name."""
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
    """SHA-256 over the names and contents of what decides what is in the package, cut to 16 hexadecimal characters.

    That is what is shipped, the pinned requirements among it, and the builder: this folder.
    """
    digest = hashlib.sha256()
    for path in (*shipped_files(root), *sorted((root / "package").glob("*.py"))):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def package_path() -> Path:
    """Where ``make package`` puts the package that belongs to the present sources."""
    return ROOT / "dist" / f"agent-{package_digest()}.zip"
