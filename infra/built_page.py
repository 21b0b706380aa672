"""Finds the built chat page, in a folder named by a digest of its sources; Node is needed only to build it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from package.contents import ROOT

SOURCES = ROOT / "web"

BUILDS = ROOT / ".build"

NOT_BUILT = "not built: run `make web`, or unpack a release's page.zip into .build/"


def source_files() -> list[Path]:
    """The files that the build reads, in a fixed order; without tests and what npm installs."""
    names = ("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "index.html")
    inside = (path for name in ("src", "public") for path in (SOURCES / name).rglob("*") if path.is_file())
    return [*(SOURCES / name for name in names), *sorted(inside)]


def page_folder() -> Path:
    """The folder of the page that is built from the current sources."""
    digest = hashlib.sha256()
    for path in source_files():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(SOURCES).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return BUILDS / f"page-{digest.hexdigest()[:12]}"


def built_page() -> Path | None:
    """The folder of the built page; None if the current sources were not built, or there are no sources."""
    try:
        folder = page_folder()
    except OSError:
        return None
    return folder if (folder / "index.html").is_file() else None
