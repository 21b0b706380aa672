"""Find Chromium for the page's tests, or install Debian's: ``python -m tools.browser``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
"""Its names in distributions; Debian's is first."""

MISSING = "The page's tests need Chromium: install it (Debian: apt-get install chromium), so that `chromium` is found."

APT = ("apt-get", "-qq", "-o", "Acquire::Retries=2")


def find_chromium() -> str | None:
    """The path of the browser; None if it is not installed."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def install() -> None:
    """Install it with apt, if this is root and apt exists; otherwise do nothing."""
    if os.geteuid() or not shutil.which("apt-get"):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (("update",), ("install", "-y", "--no-install-recommends", "chromium")):
        subprocess.run([*APT, *arguments], env=environment, check=False)  # noqa: S603 - our own arguments


def main() -> int:
    """Print the browser's path; return 2 with an error message if there is none."""
    if find_chromium() is None:
        install()
    found = find_chromium()
    print(found or MISSING, file=sys.stdout if found else sys.stderr)
    return 0 if found else 2


if __name__ == "__main__":
    sys.exit(main())
