"""The deployment package: the same bytes from the same inputs, and only what the runtime can run."""

from __future__ import annotations

import re
import shutil
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from package import build as builder
from package.build import PYTHON_VERSION, PackageError, build, copy_agent, make_portable, write_zip
from package.bytecode import PYTHON, BytecodeError, compile_folder, find_compiler
from package.contents import ROOT, package_digest, shipped_files

# A package is built from some hundred wheels, compiled, and zipped, twice.
pytestmark = pytest.mark.timeout(600)

AARCH64 = 183  # ELF's e_machine
UNCHECKED_HASH = 1  # the flags of PEP 552


@pytest.fixture(scope="module")
def compiler() -> Iterator[Path]:
    """The pinned interpreter; where there is none, this one, for all that is tested here holds of any."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            found = find_compiler()
        except BytecodeError:
            found = Path(sys.executable)
            patch.setattr(builder, "find_compiler", lambda: found)
        yield found


@pytest.fixture(scope="module")
def package(compiler: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "dist" / "agent.zip"
    build(path)
    return path


def test_the_same_inputs_give_the_same_bytes(package: Path, tmp_path: Path) -> None:
    again = tmp_path / "dist" / "again.zip"
    build(again)
    assert again.read_bytes() == package.read_bytes()


def test_the_package_is_small_enough_to_start_fast(package: Path) -> None:
    assert package.stat().st_size < 70e6


def test_the_compiler_is_of_the_version_that_agentcore_runs() -> None:
    assert PYTHON.rpartition(".")[0] == PYTHON_VERSION


def test_every_source_has_its_bytecode_which_nothing_checks_when_it_is_loaded(package: Path, compiler: Path) -> None:
    code = "import importlib.util as util, sys; print(util.MAGIC_NUMBER.hex(), sys.implementation.cache_tag)"
    magic, tag = subprocess.run([compiler, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    with zipfile.ZipFile(package) as archive:
        names = set(archive.namelist())
        sources = {name for name in names if name.endswith(".py")}
        compiled = {name for name in names if name.endswith(".pyc")}
        heads = {archive.read(name)[:8] for name in compiled}
    assert compiled == {re.sub(r"([^/]+)\.py$", rf"__pycache__/\1.{tag}.pyc", name) for name in sources}
    assert heads == {bytes.fromhex(magic) + struct.pack("<I", UNCHECKED_HASH)}


def test_the_bytecode_is_what_python_runs(package: Path, compiler: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path, [name for name in archive.namelist() if name.startswith("agent/")])
    errors = tmp_path / "agent" / "errors.py"
    errors.write_text("raise SystemExit('compiled again')", encoding="utf-8")
    code = "from agent.errors import classify; print(classify(ValueError()).code, classify.__code__.co_filename)"
    done = subprocess.run([compiler, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.split() == ["INTERNAL", str(errors)], done.stderr


def test_a_machine_without_the_compiler_is_told_in_one_sentence_how_to_get_it() -> None:
    with pytest.raises(BytecodeError, match=r"CPython 3\.13\.99.*run `\.venv/bin/uv python install 3\.13\.99`"):
        find_compiler("3.13.99")


def test_a_file_that_cannot_be_compiled_is_named(compiler: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.py").write_text("def broken(:", encoding="utf-8")
    with pytest.raises(BytecodeError, match=r"prompts\.py"):
        compile_folder(tmp_path, compiler)


def test_every_compiled_file_is_for_arm64(package: Path) -> None:
    compiled = 0
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            if content[:4] == b"\x7fELF":
                compiled += 1
                assert struct.unpack_from("<H", content, 18) == (AARCH64,), name
            version = re.search(r"\.cpython-(\d+)-", name)  # an extension's; bytecode has no platform in its name
            assert version is None or version.group(1) == "313", name
    assert compiled > 10


def test_the_entry_point_and_the_agent_are_where_agentcore_looks(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        assert archive.read("main.py") == (ROOT / "agent" / "__main__.py").read_bytes()
        held = {name for name in archive.namelist() if name.startswith("agent/") and "/__pycache__/" not in name}
        assert held == {path.relative_to(ROOT).as_posix() for path in shipped_files()}
        for name in held:
            assert archive.read(name) == (ROOT / name).read_bytes()


def test_a_file_that_is_no_source_is_shipped_too(tmp_path: Path) -> None:
    root, target = tmp_path / "project", tmp_path / "content"
    shutil.copytree(ROOT / "agent", root / "agent")
    (root / "agent" / "prompts").mkdir()
    (root / "agent" / "prompts" / "system.txt").write_text("Be kind.", encoding="utf-8")
    copy_agent(target, root)
    assert (target / "agent" / "prompts" / "system.txt").read_text(encoding="utf-8") == "Be kind."


def test_nothing_in_the_package_names_the_machine_that_built_it(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            assert str(ROOT).encode() not in archive.read(name), name


def test_only_the_tracing_command_is_a_program(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        modes = {entry.filename: stat.S_IMODE(entry.external_attr >> 16) for entry in archive.infolist()}
        assert [name for name in modes if name.startswith("bin/")] == ["bin/opentelemetry-instrument"]
        assert {name for name, mode in modes.items() if mode == 0o755} == {"bin/opentelemetry-instrument"}
        assert set(modes.values()) == {0o644, 0o755}
        assert archive.read("bin/opentelemetry-instrument").startswith(b"#!/usr/bin/env python3\n")


def test_every_distribution_has_a_licence(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        lines = archive.read("LICENCES.txt").decode().splitlines()
        distributions = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    assert len(lines) == len(distributions)
    assert not [line for line in lines if line.endswith("not stated")]


def test_bytecode_beside_the_commands_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "bin" / "__pycache__").mkdir(parents=True)
    for name in ("opentelemetry-instrument", "other"):
        (tmp_path / "bin" / name).write_text("#!/here/python\nprint()\n", encoding="utf-8")
    make_portable(tmp_path)
    write_zip(tmp_path, tmp_path.with_suffix(".zip"))
    with zipfile.ZipFile(tmp_path.with_suffix(".zip")) as archive:
        assert archive.namelist() == ["bin/opentelemetry-instrument"]


def test_a_package_of_sources_that_changed_meanwhile_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    shutil.copytree(ROOT / "agent", root / "agent")

    def install(target: Path) -> None:
        (target / "bin").mkdir()
        (root / "agent" / "agent.py").write_text("# saved while the wheels were fetched", encoding="utf-8")

    monkeypatch.setattr(builder, "install", install)
    monkeypatch.setattr(builder, "package_digest", lambda: package_digest(root))
    with pytest.raises(PackageError, match="run `make package` again"):
        build(tmp_path / "dist" / "agent.zip")
    assert not list((tmp_path / "dist").iterdir())


def test_a_package_that_cannot_be_written_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dist").write_text("no folder", encoding="utf-8")
    monkeypatch.setattr(builder, "package_path", lambda: tmp_path / "dist" / "agent.zip")
    assert builder.main() == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("The package cannot be written: ")
