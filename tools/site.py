"""Builds the documentation site: ``python -m tools.site``, which is ``make docs``.

The pages are those of ``docs/``, with the two READMEs as first pages. A link to a source file becomes the file's name,
because the site has no copy of the sources. mkdocs then builds in strict mode, so a page that is missing or in no menu,
or a broken link, fails the build.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from package.contents import ROOT

SOURCE = ROOT / ".build" / "site-source"
SITE = ROOT / ".build" / "site"

FIRST: Mapping[str, str] = {
    "README.md": "index.md",
    "README.zh-CN.md": "zh/index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "CHANGELOG.md": "changelog.md",
    "bootstrap/README.md": "bootstrap.md",
}
"""Pages of the repository that are not in docs/, and their paths on the site."""

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def placed(path: str) -> str | None:
    """A file's path on the site; None if it is not on the site."""
    if path in FIRST:
        return FIRST[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def rewritten(text: str, path: str) -> str:
    """A page's text, with its links changed for the site.

    Args:
        text: the page.
        path: its path in the repository.
    """
    here = PurePosixPath(placed(path) or path).parent.as_posix()

    def link(found: re.Match[str]) -> str:
        mark, shown, target = found.groups()
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            return found[0]
        file, _, anchor = target.partition("#")
        target = normpath((PurePosixPath(path).parent / file).as_posix())
        place = placed(target)
        if place is None:
            return f"`{target}`" if shown.strip("`") in target else f"{shown} (`{target}`)"
        return f"{mark}[{shown}]({relpath(place, here)}{'#' + anchor if anchor else ''})"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in parts)


def stage(target: Path = SOURCE) -> list[str]:
    """Write the pages to the folder that mkdocs reads; return their paths on the site."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "docs", target)
    made = [path.relative_to(target).as_posix() for path in target.rglob("*.md")]
    for path in made:
        page = target / path
        page.write_text(rewritten(page.read_text(encoding="utf-8"), f"docs/{path}"), encoding="utf-8")
    for path, place in FIRST.items():
        page = target / place
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(rewritten((ROOT / path).read_text(encoding="utf-8"), path), encoding="utf-8")
    return sorted([*made, *FIRST.values()])


def main() -> int:
    """Build the site; return mkdocs' exit code."""
    pages = stage()
    # Without --quiet, which would hide the strict mode's warnings.
    argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean"]
    # The theme announces its successor (2027) on every build; CONTRIBUTING.md says so once.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    code = subprocess.run(argv, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - our own arguments
    if not code:
        chinese = [page for page in pages if page.startswith("zh/")]
        print(f"{SITE.relative_to(ROOT)}: {len(pages) - len(chinese)} pages in English, {len(chinese)} in Chinese")
    return code


if __name__ == "__main__":
    sys.exit(main())
