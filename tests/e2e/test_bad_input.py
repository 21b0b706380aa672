"""Whatever a person gets wrong ends in a sentence that says what, and in exit code 2."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import local.processes.folder_lock
import local.processes.ports
import local.program.evaluate
import local.run.commands
import local.run.provision
from local import LOOPBACK, ROOT
from local.processes.files import write_private
from local.processes.ports import Ports, any_port, choose_ports
from local.program.evaluate import read_settings
from local.program.graph import ProgramError
from local.run.provision import Provisioner
from tests.e2e.conftest import PATIENCE, until
from tests.e2e.project import copy_project

Refused = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that must be refused, and returns the sentence."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["local", *arguments])
        with pytest.raises(SystemExit) as ended:
            local.run.commands.main()
        complaint = capsys.readouterr().err
        assert ended.value.code == 2
        *progress, sentence = complaint.strip().splitlines()
        assert all(line.endswith(" ...") for line in progress)
        return sentence

    return run


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Reads the settings that are in a text."""
    monkeypatch.setattr(local.program.evaluate, "ROOT", tmp_path)

    def read(text: str) -> dict[str, str]:
        shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
        (tmp_path / "Pulumi.mine.yaml").write_text(text)
        return read_settings("mine")

    return read


@pytest.mark.parametrize(
    "text",
    [
        "config: [unclosed",
        "config: {agent-stream:api: &a {self: *a}}",
        "config: {agent-stream:api: &a [*a]}",
        "config: {agent-stream:api: {2026-01-01: x}}",
        f"config: {{agent-stream:api: {'[' * 1000}{']' * 1000}}}",
        "config: '\0'",
    ],
    ids=["not YAML", "anchor in itself", "list in itself", "date as a key", "brackets", "NUL"],
)
def test_settings_that_cannot_be_read_are_named(settings_of: Callable[[str], object], text: str) -> None:
    with pytest.raises(ProgramError, match=r"^Pulumi.mine.yaml cannot be read .*: correct the file\.$"):
        settings_of(text)


@pytest.mark.parametrize(
    ("text", "where"), [("- a\n", "its top"), ("text", "its top"), ("config: [a]", "what is below `config:`")]
)
def test_settings_of_another_shape_are_told_what_theirs_should_be(
    settings_of: Callable[[str], object], text: str, where: str
) -> None:
    with pytest.raises(ProgramError, match=f"{where} must be a mapping, such as `config:`"):
        settings_of(text)


@pytest.mark.parametrize("text", ["", "config:", "encryptionsalt: v1:abc\n"])
def test_settings_may_be_missing(settings_of: Callable[[str], object], text: str) -> None:
    assert settings_of(text) == {}


@pytest.mark.parametrize("stack", ["nope", "x" * 300, "", "../dev", "a\0b"])
def test_an_unknown_stack_is_named_with_those_there_are(stack: str) -> None:
    with pytest.raises(ProgramError, match="known are dev, prod, staging") as refusal:
        read_settings(stack)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("command", "folder"),
    [("up", "/etc/passwd"), ("status", "/etc/passwd"), ("down", "/etc/passwd"), ("up", "/proc/nothing")],
)
def test_a_folder_that_cannot_be_one_is_named(refused: Refused, command: str, folder: str) -> None:
    assert f"{folder} cannot be used as the chain's folder" in refused(command, "--folder", folder)


@pytest.mark.parametrize("command", ["status", "down", "up"])
def test_a_pipe_in_place_of_the_state_is_named_and_not_waited_for(command: str, tmp_path: Path) -> None:
    """Nobody holds its other end, so whoever opened it would wait for ever."""
    os.mkfifo(tmp_path / "state.json")
    argv = [sys.executable, "-m", "local", command, "--folder", str(tmp_path)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    sentence = f"{tmp_path / 'state.json'} is not a file: move it away, or name another folder with --folder."
    assert (done.returncode, done.stderr.strip()) == (2, sentence)


def no_room() -> None:
    """For a process to run before its program: what it writes to a file fails after a few bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))  # bytes: what Python tries the folder for temporary files with


def test_a_disk_that_takes_nothing_is_told_with_the_file_and_what_to_do(tmp_path: Path) -> None:
    argv = [sys.executable, "-B", "-m", "local", "up", "--folder", str(tmp_path)]
    done = subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False, preexec_fn=no_room
    )
    sentence = (
        f"{tmp_path / 'state.json'} cannot be written (File too large): make room there, or name another --folder."
    )
    assert (done.returncode, done.stderr.strip()) == (2, sentence)


def test_a_file_that_could_not_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outputs.json"
    write_private(path, "before")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ProgramError, match=r"outputs.json cannot be written \(No space left on device\): make room"):
        write_private(path, "after")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("outputs.json", "before")]


def test_a_file_in_place_of_the_logs_folder_is_named(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    assert f"{tmp_path / 'logs'}/emulator.log cannot be used: Not a directory." in refused(
        "up", "--folder", str(tmp_path)
    )


def test_an_unknown_fault_is_named_with_those_there_are(refused: Refused) -> None:
    assert "buffered" in refused("up", "--break", "nope")


def test_a_holder_that_does_not_end_is_named(refused: Refused, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local.processes.folder_lock, "STOP_SECONDS", 0.1)
    deaf = (
        "import pathlib, signal, sys; from local.processes.folder_lock import FolderLock\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "lock = FolderLock.acquire(pathlib.Path(sys.argv[1])); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", deaf, str(tmp_path)], cwd=ROOT) as holder:
        try:
            until(lambda: local.processes.folder_lock.read_state(tmp_path) is not None, "the folder is claimed")
            assert f"kill -9 {holder.pid}" in refused("down", "--folder", str(tmp_path))
        finally:
            holder.kill()


def test_somebody_who_only_looks_does_not_keep_a_chain_from_starting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "state.json").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr("time.sleep", lambda _: fcntl.flock(looking, fcntl.LOCK_UN))
        with local.processes.folder_lock.FolderLock.acquire(tmp_path):
            assert (local.processes.folder_lock.read_state(tmp_path) or {})["state"] == "starting"


def test_two_parts_cannot_have_one_port() -> None:
    port = any_port()
    with pytest.raises(ProgramError, match=f"--gateway-port and --agent-port are both {port}"):
        choose_ports({"gateway": port, "agent": port}, Ports())


def test_a_file_in_place_of_the_ports_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local.processes.ports, "LOCKS", tmp_path / "locks")
    (tmp_path / "locks").touch()
    with pytest.raises(ProgramError, match="locks of ports cannot be kept in"):
        Ports().choose()


def test_a_ports_folder_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Links that they put there would have us empty files of our own."""
    monkeypatch.setattr(local.processes.ports, "LOCKS", tmp_path)
    we = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: we + 1)
    with pytest.raises(ProgramError, match=r"locks of ports cannot be kept in .* \(it is another user's\)"):
        Ports().choose()


def test_released_ports_leave_no_files_and_can_be_taken_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local.processes.ports, "LOCKS", tmp_path / "locks")
    first, second = Ports(), Ports()
    port = first.choose()
    assert not second.take(port)
    first.release()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert second.take(port)
    second.release()


def evaluate(
    *arguments: str, cwd: Path = ROOT, module: str = "local.program.evaluate"
) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", module, *arguments]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_an_evaluation_without_a_stack_says_how() -> None:
    done = evaluate()
    assert (done.returncode, done.stderr) == (2, "Name one stack: `python -m local.program.evaluate STACK`.\n")


Program = Callable[[str], Path]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("bad-input") / "project")


@pytest.fixture
def program(project: Path) -> Program:
    """Puts a text in the program's place."""

    def write(text: str) -> Path:
        (project / "__main__.py").write_text(text)
        return project

    return write


PRINTING = "import pulumi\nprint('hello')\npulumi.export('printed', True)\n"
PRINTING_CHILD = PRINTING.replace("print('hello')", "import subprocess\nsubprocess.run(['echo', 'hello'])")


@pytest.mark.parametrize("text", [PRINTING, PRINTING_CHILD], ids=["itself", "its child"])
def test_what_a_program_prints_is_not_in_its_graph(program: Program, text: str) -> None:
    done = evaluate("graph", "--json", cwd=program(text), module="local")
    assert json.loads(done.stdout)["outputs"] == {"printed": True}
    assert done.stderr == "hello\n"


def provision(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.run.provision, "ROOT", folder)

    async def ask() -> None:
        await (await Provisioner.start()).provision("dev", f"http://{LOOPBACK}:9")

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (PRINTING, "does not export apiUrl or invokeUrl or discoveryUrl or loginUrl or runtimeUrl"),
        ("import sys\nsys.exit(0)\n", "exited (0) before its end"),
        ("import os\nos._exit(3)\n", "failed (exit code 3, no message)"),
        ("1 / 0\n", "failed (ZeroDivisionError: division by zero)"),
    ],
)
def test_a_program_that_cannot_be_served_is_told_why(
    program: Program, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str
) -> None:
    with pytest.raises(ProgramError) as refusal:
        provision(program(text), monkeypatch)
    assert sentence in str(refusal.value)


def test_a_program_without_an_end_is_ended(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.run.provision, "PROVISION_SECONDS", 0.1)
    with pytest.raises(ProgramError, match="did not end within"):
        provision(program("import time\ntime.sleep(600)\n"), monkeypatch)
