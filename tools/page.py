"""Builds the chat page: ``python -m tools.page``; ``--zip FILE`` also packs it.

The build is in ``.build/page-DIGEST``, named by a digest of its sources, and is made once.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from infra.built_page import SOURCES, page_folder
from package.build import EPOCH, FILE_MODE
from tools.builds import make_once
from tools.node import NodeError, node_environment


class PageError(Exception):
    """The page cannot be built; the message says why in one sentence."""


def build() -> Path:
    """Build the page unless it is built already; return its folder.

    Raises:
        PageError: when there is no Node, the packages cannot be installed, or the build fails.
    """
    folder = page_folder()
    if (folder / "index.html").is_file():
        return folder
    install_packages()
    make_once(folder, lambda made: _npm("run", "--silent", "build", why="The page does not build", out=made))
    return folder


def install_packages() -> None:
    """Install the packages of the lock file into ``web/node_modules``, unless they are there.

    Raises:
        PageError: when they cannot be installed.
    """
    lock, installed = SOURCES / "package-lock.json", SOURCES / "node_modules" / ".installed"
    if installed.is_file() and installed.read_bytes() == lock.read_bytes():
        return
    _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", why="npm cannot install the page's packages")
    shutil.copyfile(lock, installed)


def pack(folder: Path, target: Path) -> None:
    """Write the built page as a zip for ``.build/``; the same page gives the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", EPOCH)
            entry.external_attr = FILE_MODE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def _npm(*arguments: str, why: str, out: Path | None = None) -> None:
    try:
        environment = node_environment()
    except NodeError as error:
        raise PageError(str(error)) from None
    npm = shutil.which("npm", path=environment["PATH"]) or "npm"
    done = subprocess.run(  # noqa: S603 - our own arguments
        [npm, *arguments],
        cwd=SOURCES,
        env={**environment, **({"PAGE_OUT_DIR": str(out)} if out else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PageError(f"{why}: {(done.stderr.strip() or done.stdout.strip())[-2000:]}")


def main() -> int:
    """Build the page, and print its folder or the zip."""
    parser = argparse.ArgumentParser(prog="python -m tools.page", description="Build the chat page.")
    parser.add_argument("--zip", type=Path, help="also pack the built page into this file")
    arguments = parser.parse_args()
    try:
        folder = build()
        if arguments.zip:
            pack(folder, arguments.zip)
    except PageError as error:
        print(error, file=sys.stderr)
        return 2
    print(arguments.zip or folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
