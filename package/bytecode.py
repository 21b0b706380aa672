"""Compiles a deployment package to bytecode, so that a cold start does not compile.

Bytecode files hold a hash of their source, not its time (PEP 552, https://peps.python.org/pep-0552/), and are not
checked against it: a built package does not change. AgentCore's Python 3.13 reads the bytecode of any CPython 3.13; the
exact release is pinned so that every machine produces the same bytes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PYTHON", "BytecodeError", "compile_folder", "find_compiler"]

PYTHON = "3.13.0"
"""The CPython release that compiles; its minor version is `PYTHON_VERSION` in `package.build`."""

_ASK = "import platform; print(platform.python_implementation(), platform.python_version())"
# File names in the bytecode are relative to the package's root; the import system completes them on loading.
_COMPILE = """
import compileall, py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
sys.exit(not compileall.compile_dir(sys.argv[1], quiet=1, maxlevels=100, stripdir=sys.argv[1], invalidation_mode=mode))
"""


class BytecodeError(Exception):
    """The package cannot be compiled; the message says why in one sentence."""


def compile_folder(folder: Path, compiler: Path) -> None:
    """Compile every source file below `folder`.

    Raises:
        BytecodeError: when a file cannot be compiled.
    """
    # The environment is not inherited: variables such as PYTHONOPTIMIZE would change the bytecode.
    argv = [str(compiler), "-s", "-X", "utf8", "-c", _COMPILE, str(folder)]
    done = subprocess.run(  # noqa: S603 - our own arguments
        argv, capture_output=True, text=True, check=False, env={"PYTHONHASHSEED": "0"}
    )
    if done.returncode:
        raise BytecodeError(f"A file of the package cannot be compiled: {(done.stdout + done.stderr).strip()}")


def find_compiler(version: str = PYTHON) -> Path:
    """Return the interpreter of exactly this CPython release.

    Raises:
        BytecodeError: when there is none on this machine.
    """
    for candidate in _candidates(version):
        if candidate.is_file() and _says(candidate) == f"CPython {version}":
            return candidate
    raise BytecodeError(
        f"CPython {version}, which compiles the package so that every machine builds the same bytes, is not installed: "
        f"run `.venv/bin/uv python install {version}` (or `pyenv install {version}`), then the command again."
    )


def _candidates(version: str) -> Iterator[Path]:
    yield Path(sys.executable)
    name = f"python{version.rpartition('.')[0]}"
    if on_path := shutil.which(name):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield pyenv / "versions" / version / "bin" / "python"
    asked = subprocess.run([sys.executable, "-m", "uv", "python", "dir"], capture_output=True, text=True, check=False)
    if asked.returncode == 0:
        yield from sorted(Path(asked.stdout.strip()).glob(f"cpython-{version}-*/bin/{name}"))


def _says(interpreter: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            [str(interpreter), "-I", "-c", _ASK], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
