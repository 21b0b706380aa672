"""What a local run leaves in its folder, and takes away again."""

from __future__ import annotations

import os
from pathlib import Path


def forget(folder: Path) -> None:
    """Remove what is of no use without a chain that is up: its addresses, its users and their tokens."""
    for name in ("outputs.json", "tokens.json"):
        (folder / name).unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner alone: outputs hold a password, graphs hold secrets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib cannot set a mode on creation
        file.write(text)
    draft.replace(path)
