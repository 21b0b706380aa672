"""Up, down and every way in between: whatever happens, nothing is left running, and the reason is one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import ROOT
from local.network import is_free
from local.state import read_state
from tests.e2e.conftest import PATIENCE, RunningChain, until


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local", *arguments],
        cwd=ROOT,
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def one_sentence(text: str) -> bool:
    return "Traceback" not in text and len(text.strip().splitlines()) == 1 and text.strip().endswith(".")


def test_a_signal_stops_every_child(tmp_path: Path) -> None:
    chain = RunningChain(tmp_path)
    chain.wait_until_up()
    children = chain.children
    assert set(children) == {"emulator", "agent", "runtime", "gateway"}
    assert all(alive(pid) for pid in children.values())
    assert "The dev stack is up" in run("status", "--folder", str(tmp_path)).stdout

    down = run("down", "--folder", str(tmp_path))
    assert down.returncode == 0
    chain.process.communicate(timeout=PATIENCE)
    assert not any(alive(pid) for pid in children.values())
    assert not (tmp_path / "outputs.json").exists()
    assert read_state(tmp_path) is None
    assert run("status", "--folder", str(tmp_path)).returncode == 1


def test_a_child_that_dies_takes_the_rest_along_and_is_named(tmp_path: Path) -> None:
    chain = RunningChain(tmp_path)
    chain.wait_until_up()
    children = chain.children
    os.kill(children["agent"], signal.SIGKILL)
    _, complaint = chain.process.communicate(timeout=PATIENCE)
    assert chain.process.returncode == 1
    assert "The agent stopped with exit code -9" in complaint
    assert "Traceback" not in complaint
    assert not any(alive(pid) for pid in children.values())


@pytest.mark.skipif(sys.platform != "linux", reason="a child learns of its parent's death from the Linux kernel")
def test_children_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    chain = RunningChain(tmp_path)
    chain.wait_until_up()
    children = chain.children
    chain.process.kill()
    chain.process.communicate(timeout=PATIENCE)
    until(lambda: not any(alive(pid) for pid in children.values()), "the children end")


def test_a_signal_while_starting_leaves_nothing(tmp_path: Path) -> None:
    chain = RunningChain(tmp_path)
    until((tmp_path / "logs" / "emulator.log").exists, "the emulator is started")
    _, complaint = chain.end()
    assert "Traceback" not in complaint
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, check=False)
    assert left.stdout == b""


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


@pytest.fixture
def stack_of() -> Iterator[Callable[[str], str]]:
    """Makes a stack file for as long as the test lasts; returns the stack's name."""
    path = ROOT / f"Pulumi.t{os.getpid()}.yaml"

    def write(text: str) -> str:
        path.write_text(text)
        return path.name.split(".")[1]

    try:
        yield write
    finally:
        path.unlink(missing_ok=True)


def test_settings_that_are_not_yaml_are_named(stack_of: Callable[[str], str], tmp_path: Path) -> None:
    done = run("up", "--stack", stack_of("config: [unclosed\n"), "--folder", str(tmp_path))
    assert done.returncode == 2
    assert one_sentence(done.stderr)
    assert ".yaml" in done.stderr


def test_settings_that_cannot_work_are_all_reported(stack_of: Callable[[str], str], tmp_path: Path) -> None:
    stack = stack_of(
        "config:\n  aws:region: us-east-1\n  agent-stream:owner: me\n"
        "  agent-stream:api: {endpointType: EDGE, heartbeatSeconds: 29}\n"
        "  agent-stream:firewal: {}\n"
    )
    done = run("up", "--stack", stack, "--folder", str(tmp_path))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "heartbeatSeconds" in done.stderr
    assert "did you mean firewall" in done.stderr
    assert not (tmp_path / "outputs.json").exists()
    assert read_state(tmp_path) is None
