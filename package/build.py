"""Build the agent's deployment package: ``python -m package.build``.

A zip for AgentCore's direct code deployment: ``main.py`` at its root, the ``agent`` package, and every pinned
requirement as a wheel for Python 3.13 on arm64, all with their bytecode. The same inputs give the same bytes: entries
are sorted, and their times and modes are fixed.

Limits and layout: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-get-started-code-deploy-python.html
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from email import message_from_string
from pathlib import Path

from package.bytecode import BytecodeError, compile_folder, find_compiler
from package.contents import ROOT, package_digest, package_path, shipped_files
from package.imports import missing_imports, refusal

PYTHON_VERSION = "3.13"
PLATFORM = "aarch64-manylinux2014"
ZIP_LIMIT = 250 * 1024 * 1024
UNZIPPED_LIMIT = 750 * 1024 * 1024
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
FILE_MODE = 0o100644
PROGRAM_MODE = 0o100755

PROGRAMS = frozenset({"opentelemetry-instrument"})
"""The commands of requirements that are shipped: AgentCore can be configured to start this one."""


class PackageError(Exception):
    """The package cannot be built; the message says why in one sentence."""


def install(target: Path) -> None:
    """Install every pinned requirement into ``target``, from wheels for AgentCore's platform.

    Raises:
        PackageError: when a requirement has no wheel for the platform or cannot be downloaded.
    """
    argv = [
        *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-installer-metadata"),
        *("--target", str(target), "--python-version", PYTHON_VERSION, "--python-platform", PLATFORM),
        *("--only-binary", ":all:", "--no-deps", "--require-hashes"),
        *("--requirements", str(ROOT / "agent" / "requirements.txt")),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        raise PackageError(f"The agent's requirements cannot be installed for {PLATFORM}: {done.stderr.strip()}")


def make_portable(target: Path) -> None:
    """Remove what differs between build machines: the interpreter's path in commands, and the RECORD files with their
    digests."""
    for compiled in sorted(target.rglob("__pycache__")):  # made by uv's own Python if UV_COMPILE_BYTECODE is set
        shutil.rmtree(compiled)
    for program in (target / "bin").iterdir():
        if program.name not in PROGRAMS:
            program.unlink()
            continue
        _, _, rest = program.read_text(encoding="utf-8").partition("\n")
        program.write_text(f"#!/usr/bin/env python3\n{rest}", encoding="utf-8")
    for record in target.glob("*.dist-info/RECORD"):
        record.unlink()


def copy_agent(target: Path, root: Path = ROOT) -> None:
    """Copy the agent's files beside its requirements, and its entry point to ``main.py``, as AgentCore expects."""
    for path in shipped_files(root):
        destination = target / path.relative_to(root)
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)
    shutil.copyfile(root / "agent" / "__main__.py", target / "main.py")


def licences(target: Path) -> Iterator[str]:
    """Yield one line for each shipped distribution: name, version, licence."""
    for info in sorted(target.glob("*.dist-info")):
        metadata = message_from_string((info / "METADATA").read_text(encoding="utf-8"))
        classifiers = [text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier") or [] if "License" in text]
        free_text = (metadata.get("License") or "").strip().splitlines()[:1]
        licence = metadata.get("License-Expression") or ", ".join(classifiers or free_text) or "not stated"
        yield f"{metadata['Name']} {metadata['Version']}: {licence}"


def write_zip(source: Path, destination: Path) -> int:
    """Zip a folder reproducibly; return the unzipped size in bytes."""
    total = 0
    with zipfile.ZipFile(destination, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(source.rglob("*")):
            if path.is_dir():
                continue
            entry = zipfile.ZipInfo(path.relative_to(source).as_posix(), EPOCH)
            entry.external_attr = (PROGRAM_MODE if path.name in PROGRAMS else FILE_MODE) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            content = path.read_bytes()
            total += len(content)
            archive.writestr(entry, content)
    return total


def build(destination: Path) -> None:
    """Build the package at ``destination``; the file appears only when it is complete.

    Raises:
        PackageError: when an import has no requirement, a requirement cannot be installed, the sources change during
            the build, or the result is larger than AgentCore accepts.
        BytecodeError: when the compiler is missing or fails.
    """
    if missing := missing_imports():
        raise PackageError(refusal(missing))
    compiler = find_compiler()
    digest = package_digest()
    destination.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        _tell(f"Installing the agent's requirements for Python {PYTHON_VERSION} on {PLATFORM} ...")
        content, draft = Path(folder, "content"), Path(folder, "draft.zip")
        content.mkdir()
        install(content)
        make_portable(content)
        copy_agent(content)
        _tell("Compiling them ...")
        compile_folder(content, compiler)
        (content / "LICENCES.txt").write_text("\n".join(licences(content)) + "\n", encoding="utf-8")
        _tell("Packing them ...")
        unzipped = write_zip(content, draft)
        if draft.stat().st_size > ZIP_LIMIT or unzipped > UNZIPPED_LIMIT:
            raise PackageError(
                f"The package has {draft.stat().st_size >> 20} MB zipped and {unzipped >> 20} MB unzipped; AgentCore "
                "accepts 250 and 750 MB: remove requirements, or deploy a container."
            )
        if package_digest() != digest:
            raise PackageError(
                "The agent's sources changed during the build, so the package would not match the digest in its name: "
                "run `make package` again."
            )
        draft.replace(destination)


def _tell(what: str) -> None:
    """Print progress to standard error; standard output is for the result."""
    print(what, file=sys.stderr, flush=True)


def main() -> int:
    """Build the package of the current sources unless it exists, and print its path."""
    destination = package_path()
    try:
        if not destination.exists():
            build(destination)
    except (PackageError, BytecodeError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"The package cannot be written: {error}; free disk space or fix permissions, and retry.", file=sys.stderr
        )
        return 2
    digest = hashlib.sha256(destination.read_bytes()).hexdigest()
    print(f"{destination.relative_to(ROOT)}  {destination.stat().st_size / 1e6:.1f} MB  sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
