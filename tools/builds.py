"""Folders of ``.build`` that are made once and named by a digest of what they are made from."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from local import ROOT

BUILDS = ROOT / ".build"


def folder_of(name: str, sources: Iterable[Path], builds: Path = BUILDS) -> Path:
    """The folder for what is made from these files, whether it is there or not."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    return builds / f"{name}-{digest.hexdigest()[:12]}"


def make_once(folder: Path, make: Callable[[Path], None]) -> None:
    """Make a folder unless it is there.

    It is made under another name and then renamed: what was interrupted, or is made by two processes at the same
    time, is never taken for whole.

    Args:
        folder: where it is to be.
        make: fills the path that it is given, which does not exist yet. What it raises is raised.
    """
    if folder.is_dir():
        return
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        made = Path(parent) / "made"
        make(made)
        with suppress(OSError):  # another process was faster, and its folder is as good
            made.rename(folder)
