"""`/ping` is answered while the agent is being loaded, and an agent that cannot be loaded ends the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import loopback
from tests.agent.support import DEADLINE
from tests.agent.test_startup import CLEAN, ROOT, free_port


def start(tmp_path: Path, source: str) -> tuple[subprocess.Popen[str], str]:
    """Start the server with `source` as its agent; return the process and its URL."""
    (tmp_path / "author.py").write_text(source)
    port = free_port()
    settings = {"AGENT_MODEL": "scripted", "AGENT_PORT": str(port), "AGENT_REQUIRE_USER": "false"}
    settings |= {"AGENT_MODULE": "author", "PYTHONPATH": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "agent"],
        cwd=ROOT,
        env=CLEAN | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, f"http://127.0.0.1:{port}"


def ping(url: str, process: subprocess.Popen[str]) -> Any:
    """Return what /ping says, as soon as it says anything."""
    while process.poll() is None:
        try:
            return loopback.get(f"{url}/ping", timeout=DEADLINE).json()
        except httpx.ConnectError:
            time.sleep(0.02)
    return None


def test_ping_is_answered_and_a_question_waits_while_the_agent_is_loaded(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    source = f"open({str(gate)!r}).read()\nasync def build_agent(run):\n    yield 'loaded'\n"
    process, url = start(tmp_path, source)
    try:
        assert ping(url, process)["status"] == "Healthy"
        with loopback.Client(timeout=DEADLINE) as client, ThreadPoolExecutor() as threads:
            answer = threads.submit(client.post, f"{url}/invocations", json={"prompt": "Hi"})
            while ping(url, process)["status"] != "HealthyBusy":  # so that nobody ends the session as idle
                assert not answer.done()
            with gate.open("w"):  # the agent's import goes on from here
                pass
            assert "loaded" in answer.result().text
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("def build_agent(:\n", "SyntaxError"),
        ("raise SystemExit(7)\n", "exit(7)"),
    ],
    ids=["an import", "a syntax error", "exit()"],
)
def test_an_agent_that_cannot_be_loaded_ends_the_process_and_says_why(tmp_path: Path, source: str, said: str) -> None:
    process, _ = start(tmp_path, source)
    _, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert said in err


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "async def build_agent(run, database):\n    yield ''\n",
            "build_agent has the parameter database, which cannot be supplied: it may have the run",
        ),
        ("build_agent = 1\n", "author has no function build_agent"),
    ],
)
def test_a_build_agent_that_cannot_be_called_is_one_sentence(tmp_path: Path, source: str, said: str) -> None:
    process, _ = start(tmp_path, source)
    _, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2
    (sentence,) = err.splitlines()
    assert sentence.startswith(said)


def test_sigterm_ends_a_process_that_is_still_loading(tmp_path: Path) -> None:
    process, url = start(tmp_path, "import time\ntime.sleep(3600)\n")
    ping(url, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE)
    assert process.returncode in {0, -signal.SIGTERM}
