"""A running chain beside which broken variants of its parts are started, so that a fault costs no whole chain."""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx

from client.account import demo_user
from client.doctor.probe import SHORT
from client.outputs import Outputs, read_outputs
from client.request import new_id
from contract import SESSION_HEADER
from local import LOOPBACK
from local.processes.child import bare_environment
from local.processes.files import write_private
from local.processes.folder_lock import read_state
from local.processes.ports import any_port, is_free
from local.program.graph import Graph
from local.run.misconfigurations import Misconfiguration
from tests.e2e.conftest import PATIENCE, RunningChain, until
from tests.local.conftest import post

TIME_SCALE = 60.0
"""The idle limit of 300 s becomes 5 s, and the heartbeats keep their distance to it."""

OWN = ("agent", "runtime", "gateway")
"""The parts of a variant that are not shared with others."""

# What a test starts is forked from a process that has imported what all of it needs: a second of work, done once.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "agent.app",
        "local.planes.gateway.app",
        "local.planes.runtime.app",
        "client.commands.doctor",
        "client.commands.measure",
    ]
)


def fork(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], streams: Mapping[int, Path]
) -> BaseProcess:
    """Start what ``python -m MODULE ARGUMENTS`` does; a stream is a file descriptor and the file that it is."""
    files = {number: str(path) for number, path in streams.items()}
    process = _FORKS.Process(target=_run_module, args=(module, [*arguments], {**environment}, files))
    process.start()
    return process


def _run_module(module: str, arguments: list[str], environment: dict[str, str], streams: dict[int, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, path in streams.items():
        file = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a forked process has none
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


class Base(RunningChain):
    """A chain that is well, and stays up for all tests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "--time-scale", str(TIME_SCALE))

    @cached_property
    def id_token(self) -> str:
        """The demo user's."""
        return demo_user(self.outputs).id

    @property
    def ports(self) -> Mapping[str, int]:
        state = read_state(self.folder)
        assert state is not None
        ports: Mapping[str, int] = state["ports"]
        return ports


class Variant:
    """The same user pool, behind an agent, a runtime and a gateway of its own.

    Its own also where the fault is in none of them: variants are examined at the same time, and an agent that answers
    another's questions is busy when the doctor looks whether it is idle.
    """

    def __init__(self, base: Base, fault: Misconfiguration, folder: Path) -> None:
        self._base = base
        self._fault = fault
        self._processes: list[BaseProcess] = []
        self.folder = folder
        self.ports = dict(base.ports)
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    @property
    def outputs(self) -> Outputs:
        return read_outputs(self.folder / "outputs.json")

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.join(PATIENCE)
            process.close()

    def _start(self) -> None:
        fault, graph = self._fault, self._base.graph
        for name in OWN:
            self.ports[name] = any_port()
        self._write("graph", fault.resources(graph).to_json())
        self._write("gateway-graph", fault.gateway(graph).to_json())
        self._write("runtime-graph", fault.runtime(graph).to_json())
        self._write("outputs", json.dumps(self._outputs()))
        self._write("state", json.dumps({"ports": self.ports}))
        (self.folder / "logs").mkdir(exist_ok=True)
        self._run(fault.agent_module, [], self._agent_environment(graph))
        agent = f"http://{LOOPBACK}:{self.ports['agent']}"
        self._run("local.planes.runtime", [*self._server("runtime"), "--agent", agent])
        log = ["--access-log", str(self.folder / "logs" / "access.log")]
        self._run("local.planes.gateway", [*self._server("gateway"), *log])
        for name in OWN:
            until(lambda name=name: not is_free(self.ports[name]), f"the {name} listens")  # type: ignore[misc]
        self._warm_up()

    def _warm_up(self) -> None:
        """Ask past the gateway and through it, whatever comes of it.

        The first answer waits until the agent has loaded and both authorizers have the user pool's keys: on a busy
        machine that takes longer than a limit of 29 s at this time scale.
        """
        for url in (self.outputs.runtime_url, self.outputs.invoke_url):
            with suppress(httpx.TransportError):
                post(url, self._base.id_token, body={"prompt": SHORT}, **{SESSION_HEADER: new_id()})

    def _write(self, name: str, text: str) -> None:
        write_private(self.folder / f"{name}.json", text)

    def _server(self, name: str) -> list[str]:
        argv = ["--graph", str(self.folder / f"{name}-graph.json"), "--port", str(self.ports[name])]
        region = self._base.graph.region
        for host, part in (("cognito-idp", "emulator"), ("bedrock-agentcore", "runtime")):
            argv += ["--address", f"{host}.{region}.amazonaws.com=http://{LOOPBACK}:{self.ports[part]}"]
        return argv

    def _agent_environment(self, graph: Graph) -> dict[str, str]:
        runtime = graph.one("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime")
        declared: dict[str, str] = runtime.inputs["environmentVariables"]
        return {
            **declared,
            "AGENT_HEARTBEAT_SECONDS": str(float(declared["AGENT_HEARTBEAT_SECONDS"]) / TIME_SCALE),
            "AGENT_HOST": LOOPBACK,
            "AGENT_PORT": str(self.ports["agent"]),
            "AGENT_MODEL": "scripted",
            "AWS_REGION": graph.region,
            **self._fault.agent_environment,
        }

    def _run(self, module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        log = self.folder / "parts.log"
        self._processes.append(fork(module, arguments, {**bare_environment(), **(environment or {})}, {1: log, 2: log}))

    def _outputs(self) -> dict[str, Any]:
        outputs: dict[str, Any] = json.loads((self._base.folder / "outputs.json").read_text())
        outputs["timeScale"] = TIME_SCALE
        before = self._base.ports
        for key in ("apiUrl", "invokeUrl", "runtimeUrl"):
            for name in ("gateway", "runtime"):
                outputs[key] = outputs[key].replace(f":{before[name]}/", f":{self.ports[name]}/")
        return dict(self._fault.outputs(outputs))


WELL = Misconfiguration(name="none", description="nothing is wrong", check="")


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of a command line whose stored tokens are the test's own, and which has no AWS credentials."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {name: str(folder / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    return {
        **inherited,
        **nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "XDG_STATE_HOME": str(folder),
        "COLUMNS": "120",
    }
