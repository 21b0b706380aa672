"""Whatever the local run starts, or writes for its own use, is gone when it is, however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import local.planes.runtime.sessions
import local.run.provision
from local import ROOT
from local.planes.runtime.sessions import IsolatedAgents, Lifecycle
from local.processes.child import STOP_SECONDS, bare_environment
from local.processes.ports import any_port
from local.processes.services import Services
from local.program.graph import Graph
from local.run.chain import Chain, running
from local.run.options import Options
from local.run.plan import Plan
from local.run.provision import Provisioner
from tests.e2e.project import copy_project, processes_with
from tests.local.conftest import PATIENCE, wait_for

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells of other processes, and of a parent's death"
)

WITH_A_CHILD = "import subprocess\nsubprocess.run(['sleep', '300'])\n"

DEAF_AGENT = """
import http.server, os, signal

class Ping(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

signal.signal(signal.SIGTERM, signal.SIG_IGN)
http.server.HTTPServer(("127.0.0.1", int(os.environ["AGENT_PORT"])), Ping).serve_forever()
"""
"""As deaf to SIGTERM as an agent whose event loop is blocked."""

SUPERVISOR = """
import asyncio, os, sys
from pathlib import Path
from local.processes.agent_process import start_agent

async def supervise():
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    agent = await start_agent(port, dict(os.environ), log=folder / "agent.log", module="deaf")
    await agent.healthy(port, "/ping")
    print("up", flush=True)
    await asyncio.Event().wait()

asyncio.run(supervise())
"""


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list[int]]]:
    """Finds the processes that this test started, by a word of their command lines, and ends those it left."""
    marker = f"TMPDIR={tmp_path}"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield lambda word: [pid for pid, line in processes_with(marker).items() if word in line]
    for pid in processes_with(marker):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def deaf_agent(found: Callable[[str], list[int]], tmp_path: Path) -> dict[str, str]:
    """The environment in which the module ``deaf`` is an agent that does not end when it is asked to."""
    del found  # but for its end
    (tmp_path / "deaf.py").write_text(DEAF_AGENT)
    return {**bare_environment(), "PYTHONPATH": str(tmp_path)}


def files_with(text: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_text()]


@linux
def test_what_a_program_started_ends_with_it_and_is_not_waited_for(
    found: Callable[[str], list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local.run.provision, "ROOT", copy_project(tmp_path / "project", WITH_A_CHILD))

    async def scene() -> None:
        asking = asyncio.create_task((await Provisioner.start()).provision("dev", "http://127.0.0.1:9"))
        await asyncio.to_thread(wait_for, lambda: found("sleep 300"), "the program starts its child")
        asking.cancel()  # as Ctrl-C does
        done, _ = await asyncio.wait({asking}, timeout=PATIENCE / 3)
        assert done, "it waits for the program's child"

    asyncio.run(scene())
    wait_for(lambda: not found("sleep 300"), "the program's child ends")


@linux
def test_a_blocked_agent_does_not_outlive_a_killed_supervisor(
    found: Callable[[str], list[int]], deaf_agent: dict[str, str], tmp_path: Path
) -> None:
    port = str(any_port())
    argv = [sys.executable, "-c", SUPERVISOR, str(tmp_path), port]
    with subprocess.Popen(argv, cwd=ROOT, env=deaf_agent, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == b"up\n"
        assert found("-m deaf")
        supervisor.kill()
    wait_for(lambda: not found("-m deaf"), "the agent ends")


def test_a_blocked_sessions_agent_is_gone_before_patience_with_the_runtime_is_lost(
    deaf_agent: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime that is killed meanwhile could not end it any more."""
    monkeypatch.setattr(local.planes.runtime.sessions, "STOP_SECONDS", 0.2)

    async def scene() -> None:
        agents = IsolatedAgents(deaf_agent, tmp_path, Lifecycle(60, 60), limit=1, module="deaf")
        async with agents.serving("one"):
            (agent,) = agents.processes.values()
        async with asyncio.timeout(STOP_SECONDS / 2):
            await agents.close()
        with pytest.raises(ProcessLookupError):
            os.kill(agent, 0)

    asyncio.run(scene())


def test_a_developers_keys_are_on_disk_only_until_the_runtime_has_read_them(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key-of-a-developer")

    async def scene() -> None:
        services = Services(tmp_path)
        runtime = Plan(graph, Options(folder=tmp_path, model="bedrock:any", sessions=1), services).runtime()
        try:
            assert any("key-of-a-developer" in text for text in runtime.files.values())
            await services.start(runtime)
            assert not files_with("key-of-a-developer", tmp_path)
        finally:
            await services.end_all()

    asyncio.run(scene())


def test_a_signal_while_a_chain_is_being_stopped_does_not_break_that_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        stopping, may_end, stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def start(_: Chain) -> None:
            pass

        async def stop(chain: Chain) -> None:
            stopping.set()
            await may_end.wait()
            await chain.services.end_all()
            stopped.set()

        async def work() -> None:
            async with running(Options(folder=tmp_path)):
                pass

        monkeypatch.setattr(Chain, "start", start)
        monkeypatch.setattr(Chain, "stop", stop)
        working = asyncio.create_task(work())
        await stopping.wait()
        for _ in range(2):
            working.cancel()  # as a signal does
            await asyncio.wait({working}, timeout=0.01)
        may_end.set()
        await asyncio.wait({working}, timeout=PATIENCE)
        assert stopped.is_set(), "the stopping was broken off"

    asyncio.run(scene())
