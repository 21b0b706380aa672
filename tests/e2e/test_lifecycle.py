"""Up, down and every way in between: whatever happens, nothing is left running, and the reason is one sentence."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import ROOT
from local.processes.folder_lock import read_state
from local.processes.ports import is_free
from local.run.commands import _until_signal
from tests.e2e.conftest import PATIENCE, RunningChain, until
from tests.e2e.project import PROGRAM_WITHOUT_END, copy_project, processes_with

FORGOTTEN = ("outputs.json", "tokens.json")

FIRST = {"local.planes.user_pool", "local.run.provision"}

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells of other processes, and of a parent's death"
)


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def run(*arguments: str, project: Path = ROOT, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local", *arguments],
        cwd=project,
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def modules(folder: Path) -> set[str]:
    """What the processes run, as in ``python -m``, that have this folder for their temporary files."""
    lines = processes_with(f"TMPDIR={folder}").values()
    return {line.split(" -m ")[1].split()[0] for line in lines if " -m " in line}


def one_sentence(text: str) -> bool:
    return "Traceback" not in text and len(text.strip().splitlines()) == 1 and text.strip().endswith(".")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RunningChain]:
    """A chain that the test may end."""
    chain = RunningChain(tmp_path)
    try:
        chain.wait_until_up()
        yield chain
    finally:
        chain.process.kill()
        chain.process.communicate(timeout=PATIENCE)


def test_a_signal_stops_every_child_and_a_second_does_not_break_that_off(own: RunningChain, tmp_path: Path) -> None:
    chain, children = own, own.children
    assert set(children) == {"emulator", "agent", "runtime", "gateway"}
    assert all(alive(pid) for pid in children.values())
    status = json.loads(run("status", "--json", "--folder", str(tmp_path)).stdout)
    assert (status["state"], status["stack"], status["pid"]) == ("up", "dev", chain.process.pid)
    assert f"--outputs {tmp_path / 'outputs.json'}" in chain.says(" ask ")
    assert f"--folder {tmp_path}" in chain.says(" stop ")

    os.kill(children["gateway"], signal.SIGSTOP)  # it does not end before it is killed: the stopping takes its time
    chain.process.send_signal(signal.SIGINT)
    until(lambda: not alive(children["runtime"]), "the stopping is under way")
    chain.process.send_signal(signal.SIGINT)  # and is not broken off
    _, complaint = chain.process.communicate(timeout=PATIENCE)
    assert "Stopping ..." in complaint
    assert "Traceback" not in complaint
    assert chain.process.returncode == 0
    assert not any(alive(pid) for pid in children.values())
    assert not (tmp_path / "outputs.json").exists()
    assert read_state(tmp_path) is None
    assert run("status", "--folder", str(tmp_path)).returncode == 1


def test_a_child_that_dies_takes_the_rest_along_and_is_named(own: RunningChain) -> None:
    chain, children = own, own.children
    os.kill(children["agent"], signal.SIGKILL)
    _, complaint = chain.process.communicate(timeout=PATIENCE)
    assert chain.process.returncode == 1
    assert "The agent stopped with exit code -9" in complaint
    assert "Traceback" not in complaint
    assert not any(alive(pid) for pid in children.values())


@linux
def test_children_do_not_outlive_a_killed_supervisor(own: RunningChain) -> None:
    chain, children = own, own.children
    chain.process.kill()
    chain.process.communicate(timeout=PATIENCE)
    until(lambda: not any(alive(pid) for pid in children.values()), "the children end")


@pytest.fixture(scope="module")
def without_end(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose program never ends, so that its chain is starting for as long as a test needs it to."""
    return copy_project(tmp_path_factory.mktemp("without-end") / "project", PROGRAM_WITHOUT_END)


@pytest.fixture
def starting(without_end: Path, tmp_path: Path) -> Iterator[RunningChain]:
    """A chain that is starting; its processes and no others have `tmp_path` for their temporary files."""
    folder = tmp_path / "chain"
    folder.mkdir()
    for name in FORGOTTEN:
        (folder / name).write_text("{}")  # as a killed chain leaves them
    chain = RunningChain(folder, project=without_end, environment={"TMPDIR": str(tmp_path)})
    try:
        chain.wait_until_starting()
        yield chain
    finally:
        chain.process.kill()
        chain.process.communicate(timeout=PATIENCE)


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_starting_leaves_nothing(starting: RunningChain, tmp_path: Path, number: signal.Signals) -> None:
    until(lambda: modules(tmp_path) >= FIRST, "the first children are started")
    starting.process.send_signal(number)
    _, complaint = starting.process.communicate(timeout=PATIENCE)
    assert "Traceback" not in complaint
    assert starting.process.returncode == 128 + number
    assert not processes_with(f"TMPDIR={tmp_path}")


@linux
def test_children_do_not_outlive_a_supervisor_killed_while_starting(starting: RunningChain, tmp_path: Path) -> None:
    until(lambda: modules(tmp_path) >= FIRST, "the first children are started")
    starting.process.kill()
    until(lambda: not processes_with(f"TMPDIR={tmp_path}"), "the children end")


@linux
def test_a_child_that_is_stuck_while_starting_is_killed(starting: RunningChain, tmp_path: Path) -> None:
    until(lambda: modules(tmp_path) >= FIRST, "the first children are started")
    stuck = next(pid for pid, line in processes_with(f"TMPDIR={tmp_path}").items() if "local.planes.user_pool" in line)
    os.kill(stuck, signal.SIGSTOP)
    starting.process.send_signal(signal.SIGINT)
    starting.process.communicate(timeout=PATIENCE)
    assert not processes_with(f"TMPDIR={tmp_path}")


@linux
def test_a_chain_that_is_starting_says_so_and_can_be_stopped(starting: RunningChain, tmp_path: Path) -> None:
    folder = str(starting.folder)
    until(
        lambda: not any((starting.folder / name).exists() for name in FORGOTTEN), "old outputs and tokens are removed"
    )
    status = run("status", "--folder", folder)
    assert "is starting" in status.stdout
    assert status.returncode == 1
    assert json.loads(run("status", "--json", "--folder", folder).stdout)["state"] == "starting"
    second = run("up", "--folder", folder)
    assert second.returncode == 2
    assert one_sentence(second.stderr)

    down = run("down", "--folder", folder)
    assert (down.returncode, down.stdout) == (0, "The local chain is down.\n")
    starting.process.communicate(timeout=PATIENCE)
    assert starting.process.returncode == 128 + signal.SIGTERM
    assert not processes_with(f"TMPDIR={tmp_path}")
    assert run("down", "--folder", folder).stdout == "The local chain is down already.\n"


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    """As under nohup, whose chain outlives the terminal that it was started in."""

    async def work() -> None:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)  # of two that count, the first is told
        await asyncio.wait_for(asyncio.Event().wait(), PATIENCE)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert asyncio.run(_until_signal(work())) == signal.SIGTERM
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupt_during_the_imports_ends_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(f"import os\nos.kill(os.getpid(), {int(signal.SIGINT)})\n")
    done = run("status", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_an_unknown_stack_is_named_with_those_there_are(tmp_path: Path) -> None:
    done = run("up", "--stack", "nope", "--folder", str(tmp_path))
    assert done.returncode == 2
    assert one_sentence(done.stderr)
    assert "dev" in done.stderr


def test_a_port_asked_for_and_in_use_is_refused(chain: RunningChain, tmp_path: Path) -> None:
    port = chain.outputs.invoke_url.split(":")[2].partition("/")[0]
    assert not is_free(int(port))
    done = run("up", "--gateway-port", port, "--folder", str(tmp_path))
    assert done.returncode == 2
    assert one_sentence(done.stderr)
    assert port in done.stderr


def test_a_second_chain_in_the_same_folder_is_refused(chain: RunningChain) -> None:
    done = run("up", "--folder", str(chain.folder))
    assert done.returncode == 2
    assert one_sentence(done.stderr)
    assert "local down" in done.stderr
    assert chain.process.poll() is None


def test_a_missing_emulator_says_how_to_install_it(tmp_path: Path) -> None:
    hide = tmp_path / "sitecustomize.py"
    hide.write_text("import sys\nsys.modules['ministack'] = None\n")
    done = run("up", "--folder", str(tmp_path / "state"), PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert one_sentence(done.stderr)
    assert "make setup" in done.stderr


def test_settings_that_cannot_work_are_all_reported(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    (project / "Pulumi.dev.yaml").write_text(
        "config:\n  aws:region: us-east-1\n  agent-stream:owner: me\n"
        "  agent-stream:api: {endpointType: EDGE, heartbeatSeconds: 29}\n"
        "  agent-stream:firewal: {}\n"
    )
    folder = tmp_path / "chain"
    done = run("up", "--folder", str(folder), project=project)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "heartbeatSeconds" in done.stderr
    assert "did you mean firewall" in done.stderr
    assert not (folder / "outputs.json").exists()
    assert read_state(folder) is None
