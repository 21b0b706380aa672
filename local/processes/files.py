"""Writes the files in a local run's folder, and removes those that only a running chain needs."""

from __future__ import annotations

import os
from pathlib import Path

from local.program.graph import ProgramError


def clean(folder: Path) -> None:
    """Remove what is valid only while the chain is up: its addresses, its users and their tokens."""
    for name in ("outputs.json", "tokens.json"):
        (folder / name).unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file atomically, readable by its owner only: outputs hold a password, graphs hold secrets.

    Raises:
        ProgramError: when it cannot be written, such as on a full disk.
    """
    draft = path.with_suffix(".draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib cannot set a mode on creation
                file.write(text)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: OSError) -> ProgramError:
    """The error for a file of the local run that cannot be written."""
    return ProgramError(f"{path} cannot be written ({error.strerror}): make room there, or name another --folder.")
