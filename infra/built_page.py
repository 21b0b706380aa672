"""The built chat page: where it is kept, by the content of its sources, so that no Node is needed once it is built."""

from __future__ import annotations

import hashlib
from pathlib import Path

from package.contents import ROOT

SOURCES = ROOT / "web"

BUILDS = ROOT / ".build"

NOT_BUILT = "not built: run `make web`, or unpack a release's page.zip into .build/"


def source_files() -> list[Path]:
    """What the build reads, in a fixed order; tests and what npm installs are not part of it."""
    names = ("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "index.html")
    inside = (path for name in ("src", "public") for path in (SOURCES / name).rglob("*") if path.is_file())
    return [*(SOURCES / name for name in names), *sorted(inside)]


def page_folder() -> Path:
    """Where the page of the present sources is kept once it is built."""
    digest = hashlib.sha256()
    for path in source_files():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(SOURCES).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return BUILDS / f"page-{digest.hexdigest()[:12]}"


def built_page() -> Path | None:
    """The folder of the built page; None where the sources' page was never built, or there are no sources."""
    try:
        folder = page_folder()
    except OSError:
        return None
    return folder if (folder / "index.html").is_file() else None
