"""`/ping` is answered while the agent is being loaded, and an agent that cannot be loaded ends the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.server import serve
from agent.settings import Settings, SettingsError
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


def test_an_agent_that_cannot_be_loaded_ends_the_process_and_says_why(tmp_path: Path) -> None:
    process, _ = start(tmp_path, "import no_such_library\n")
    _, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert "ModuleNotFoundError: No module named 'no_such_library'" in err


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Serve, in this process, with `source` as the agent, until it cannot be loaded; raises what `serve` raises."""

    def load(source: str) -> None:
        (tmp_path / "author.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "author", raising=False)
        serve(Settings(model="scripted", module="author", host="127.0.0.1", port=free_port(), require_user=False))

    return load


@pytest.mark.parametrize(
    ("source", "kind", "said"),
    [
        ("import no_such_library\n", ModuleNotFoundError, "no_such_library"),
        ("def build_agent(:\n", SyntaxError, "invalid syntax"),
        ("raise SystemExit(7)\n", RuntimeError, r"exit\(7\)"),
        (
            "async def build_agent(run, database):\n    yield ''\n",
            SettingsError,
            "^build_agent has the parameter database, which cannot be supplied: it may have the run",
        ),
        ("build_agent = 1\n", SettingsError, "^author has no function build_agent"),
    ],
    ids=["an import", "a syntax error", "exit()", "a parameter", "no function"],
)
def test_whatever_keeps_an_agent_from_being_loaded_ends_the_server(
    load: Callable[[str], None], source: str, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        load(source)


def test_sigterm_ends_a_process_that_is_still_loading(tmp_path: Path) -> None:
    process, url = start(tmp_path, "import time\ntime.sleep(3600)\n")
    ping(url, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE)
    assert process.returncode in {0, -signal.SIGTERM}
