"""The README's first command: what it shows, and that it leaves nothing behind however it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from client.exchange import Arrival
from local import ROOT
from local.program.graph import ProgramError
from local.run.demo import _listen
from tests.e2e.conftest import PATIENCE
from tests.e2e.project import processes_with

ROW = re.compile(r"\s(STREAM|BUFFERED)\s+│\s+([\d.]+) s\s+│\s+([\d.]+) s\s+│\s+(\d+)")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds its processes in /proc")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The demonstration; its processes and no others have `tmp_path` for their temporary files."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)
        assert not processes_with(f"TMPDIR={tmp_path}")


def wait_for_line(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert any(word in line for line in process.stdout), "it ended before"


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_demo_shows_that_one_streams_and_the_other_does_not(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    shown, complaint = demo.communicate(timeout=PATIENCE)
    assert (demo.returncode, complaint) == (0, "")
    assert all(len(line) <= 80 for line in shown.splitlines() if not line.startswith("You asked"))
    rows = {name: (float(first), float(last), int(pieces)) for name, first, last, pieces in ROW.findall(shown)}
    first, last, pieces = rows["STREAM"]
    assert last - first > 1
    assert pieces >= 10
    first, last, _ = rows["BUFFERED"]
    assert last - first < 0.5 < first
    assert not files_in(tmp_path)
    assert not processes_with(f"TMPDIR={tmp_path}")


def test_with_json_the_demo_is_one_line_of_what_was_measured() -> None:
    argv = [sys.executable, "-m", "local", "demo", "--json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True)
    measured = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert measured["streamed"]["arrivals"] > measured["buffered"]["arrivals"]
    assert measured["streamed"]["firstWordSeconds"] < measured["buffered"]["firstWordSeconds"]


def test_an_interrupted_demo_leaves_nothing_and_says_so_to_the_shell(
    demo: subprocess.Popen[str], tmp_path: Path
) -> None:
    wait_for_line(demo, "Bringing up")
    demo.send_signal(signal.SIGINT)
    _, complaint = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 128 + signal.SIGINT
    assert "Traceback" not in complaint
    assert not files_in(tmp_path)
    assert not processes_with(f"TMPDIR={tmp_path}")


def test_a_part_that_dies_during_the_demo_is_named_and_its_log_is_kept(
    demo: subprocess.Popen[str], tmp_path: Path
) -> None:
    wait_for_line(demo, "As declared")
    (agent,) = (pid for pid, line in processes_with(f"TMPDIR={tmp_path}").items() if "traced agent" in line)
    os.kill(agent, signal.SIGKILL)
    _, complaint = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 1
    named = re.fullmatch(r"The agent stopped with exit code -9; its log is (.*/agent.log)\..*\n", complaint)
    assert named, complaint
    assert Path(named[1]).exists()


def test_an_agent_without_a_word_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silence(*_: str) -> AsyncIterator[Arrival]:
        return
        yield

    monkeypatch.setattr("local.run.demo.ask", silence)
    with pytest.raises(ProgramError, match="The agent's answer has no text"):
        asyncio.run(_listen(Console(quiet=True), "http://127.0.0.1:9", "token"))
