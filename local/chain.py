"""The whole chain as one thing that is up or down: emulator, agent, runtime, gateway.

Each is a process of its own on loopback; this supervises them. Order matters little: the program is evaluated while
the emulator starts, and the three servers start together once the graph is known.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local import ROOT
from local.agent_process import agent_environment, start_agent
from local.evaluate import read_settings
from local.faults import Fault
from local.graph import Graph, ProgramError
from local.network import LOOPBACK, AddressBook, Ports
from local.processes import Child, bare_environment
from local.provision import Provisioned, Provisioner
from local.supervisor import Supervisor

USUAL_PORTS: Mapping[str, int] = {"gateway": 8000, "agent": 8080, "runtime": 8090, "emulator": 4566}

ADDRESSES = ("apiUrl", "invokeUrl", "discoveryUrl", "loginUrl", "runtimeUrl")
"""Outputs that a client connects to; `issuer` is a name and stays as AWS writes it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How to bring the chain up.

    Attributes:
        stack: whose graph to serve.
        folder: where graph, outputs and logs go.
        ports: ports asked for, by name as in `USUAL_PORTS`; the others are chosen.
        model: what the agent answers with, in place of the stack's model.
        time_scale: AWS's time limits are divided by this.
        sessions: how many sessions may each have an agent process of their own; 0 for one process for all.
        fault: what is broken on purpose, for the doctor to find.
    """

    stack: str = "dev"
    folder: Path = ROOT / ".local"
    ports: Mapping[str, int] = dataclasses.field(default_factory=dict)
    model: str = "scripted"
    time_scale: float = 1.0
    sessions: int = 0
    fault: Fault | None = None


class Chain:
    """A running chain. Made by `running`, which also takes it down."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._supervisor = Supervisor()
        self._reserved = Ports()
        self.ports = choose_ports(options.ports, self._reserved)
        self._standby: Provisioner | None = None
        self.graph: Graph
        self.outputs: dict[str, Any] = {}

    async def start(self) -> None:
        """Bring everything up; `outputs` is complete when this returns.

        Raises:
            ProgramError: with a sentence about what is at fault.
        """
        options = self._options
        read_settings(options.stack)
        if importlib.util.find_spec("ministack") is None:
            raise ProgramError("ministack, which stands in for Cognito, is not installed: run `make setup`.")
        endpoint = self.url("emulator")
        async with _together() as group:
            group.create_task(self._start_emulator())
            provisioning = group.create_task((await Provisioner.start()).provision(options.stack, endpoint))
        await self._serve(provisioning.result())

    async def _serve(self, provisioned: Provisioned) -> None:
        """Start what stands on the graph."""
        options = self._options
        self.graph = provisioned.graph
        fault = options.fault
        resources = fault.resources(self.graph) if fault else self.graph
        write_private(options.folder / "graph.json", resources.to_json())
        served_by_gateway = fault.gateway(self.graph) if fault and fault.gateway else self.graph
        served_by_runtime = fault.runtime(self.graph) if fault and fault.runtime else self.graph
        async with _together() as group:
            if not options.sessions and "agent" not in self.processes:
                group.create_task(self._start_agent())
            group.create_task(self._start_runtime(served_by_runtime))
            group.create_task(self.start_gateway("gateway", served_by_gateway))
        self.outputs = self._outputs(provisioned)
        write_private(options.folder / "outputs.json", json.dumps(self.outputs, indent=2) + "\n")

    async def restart_agent(self) -> None:
        """Serve the agent's present sources; where sessions are isolated, those that come from now on.

        Raises:
            ProgramError: when it does not start; the rest stays up.
        """
        if self._options.sessions:
            return  # a session keeps the code it started with, as in AgentCore
        await self._supervisor.end("agent")
        await self._start_agent()

    async def restart_graph(self) -> None:
        """Serve what the program declares now; users, tokens and addresses stay where the user pool does.

        Raises:
            ProgramError: when the program cannot be evaluated; what was served stays up.
        """
        user = (self.outputs["demoUsername"], self.outputs["demoPassword"])
        served = self._options.folder / "graph.json"
        provisioner, self._standby = self._standby or await Provisioner.start(), None
        try:
            provisioned = await provisioner.provision(
                self._options.stack, self.url("emulator"), served=served, user=user
            )
            if provisioned.graph != self.graph:
                before, self.graph = self._agent_environment(), provisioned.graph
                same = before == self._agent_environment()  # then the agent, and what it remembers, can stay
                await self._supervisor.end("gateway", "runtime", *(() if same else ("agent",)))
                await self._serve(provisioned)
        finally:
            await self.stand_by()

    async def stand_by(self) -> None:
        """Have a process ready for the next `restart_graph`, with its imports done."""
        types = [resource.type.split(":") for resource in self.graph.resources]
        modules = {parts[1].partition("/")[0] for parts in types if parts[0] == "aws"}
        self._standby = await Provisioner.start(sorted(modules))

    async def start_gateway(
        self,
        name: str,
        graph: Graph,
        *,
        addresses: Mapping[str, str] | None = None,
        access_log: Path | None = None,
    ) -> str:
        """Serve a graph's REST API and return the address; a second may serve a changed graph beside the first.

        Args:
            name: of the child process, its port and its files.
            graph: what to serve.
            addresses: hosts that are elsewhere for this gateway.
            access_log: where its lines go, in place of the logs' folder.
        """
        if name not in self.ports:
            self.ports[name] = self._reserved.choose()
        log = access_log or self.folder / "logs" / f"{name.replace('gateway', 'access')}.log"
        options = ["--time-scale", str(self._options.time_scale), "--access-log", str(log)]
        for host, url in (addresses or {}).items():
            options += ["--address", f"{host}={url}"]
        await self._start_server(name, graph, *options, module="gateway")
        return self.url(name)

    @property
    def folder(self) -> Path:
        """Where outputs, graphs and logs are."""
        return self._options.folder

    @property
    def processes(self) -> dict[str, int]:
        """The process id of every child, by name."""
        return self._supervisor.processes

    async def first_failure(self) -> str:
        """Wait until a child stops by itself, and return why in one sentence."""
        return await self._supervisor.first_death()

    async def stop(self) -> None:
        """Stop every child."""
        await self._supervisor.end_all()
        if self._standby is not None:
            await self._standby.close()
        self._reserved.release()
        for name in ("outputs.json", "tokens.json"):  # of no use without the user pool
            (self.folder / name).unlink(missing_ok=True)

    async def _start_emulator(self) -> None:
        port = str(self.ports["emulator"])
        environment = {
            "BIND_HOST": LOOPBACK,  # its own default is every interface
            "GATEWAY_PORT": port,
            "MINISTACK_PORT": port,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        child = await self._start("emulator", [sys.executable, "-m", "ministack"], environment)
        await child.listening(self.ports["emulator"])

    async def _start_agent(self) -> None:
        log = self._options.folder / "logs" / "agent.log"
        log.unlink(missing_ok=True)
        child = await start_agent(self.ports["agent"], self._agent_environment(), log=log, module=self._agent_module)
        self._supervisor.adopt(child)
        await child.healthy(self.ports["agent"], "/ping")

    def _agent_environment(self) -> dict[str, str]:
        options = self._options
        changes = options.fault.agent_environment if options.fault else {}
        return agent_environment(self.graph, model=options.model, time_scale=options.time_scale, changes=changes)

    @property
    def _agent_module(self) -> str:
        return self._options.fault.agent_module if self._options.fault else "agent"

    async def _start_runtime(self, graph: Graph) -> None:
        options = self._options
        agents = ["--agent", self.url("agent")]
        if options.sessions:
            path = options.folder / "agents.json"
            how = {
                "environment": self._agent_environment(),
                "logs": str(options.folder / "logs"),
                "limit": options.sessions,
                "module": self._agent_module,
            }
            write_private(path, json.dumps(how))
            agents = ["--agents", str(path)]
        await self._start_server("runtime", graph, *agents, "--time-scale", str(options.time_scale))

    async def _start_server(self, name: str, graph: Graph, *arguments: str, module: str | None = None) -> None:
        path = self._options.folder / f"{name}-graph.json"
        write_private(path, graph.to_json())
        argv = [sys.executable, "-m", f"local.{module or name}", "--graph", str(path), "--port", str(self.ports[name])]
        for host, url in self._addresses().hosts.items():
            argv += ["--address", f"{host}={url}"]
        child = await self._start(name, [*argv, *arguments], {})
        await child.listening(self.ports[name])

    async def _start(self, name: str, argv: list[str], environment: Mapping[str, str]) -> Child:
        log = self._options.folder / "logs" / f"{name}.log"
        log.unlink(missing_ok=True)
        child = await Child.start(name, argv, log=log, cwd=ROOT, environment={**bare_environment(), **environment})
        self._supervisor.adopt(child)
        return child

    def url(self, name: str) -> str:
        """The address of a part on loopback, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    def _addresses(self) -> AddressBook:
        region, outputs = self.graph.region, self.graph.outputs
        hosts = {
            f"cognito-idp.{region}.amazonaws.com": "emulator",
            f"bedrock-agentcore.{region}.amazonaws.com": "runtime",
            str(urlsplit(outputs["loginUrl"]).hostname): "emulator",
            str(urlsplit(outputs["apiUrl"]).hostname): "gateway",
        }
        return AddressBook({host: self.url(name) for host, name in hosts.items()})

    def _outputs(self, provisioned: Provisioned) -> dict[str, Any]:
        """The stack's outputs as a client needs them: what it connects to is on loopback."""
        addresses = self._addresses()
        located = {name: addresses.locate(self.graph.outputs[name]) for name in ADDRESSES}
        outputs = {
            **self.graph.outputs,
            **located,
            "endpointUrl": self.url("emulator"),
            "demoUsername": provisioned.username,
            "demoPassword": provisioned.password,
            "timeScale": self._options.time_scale,
        }
        return dict(self._options.fault.outputs(outputs)) if self._options.fault else outputs


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first failure is raised as itself, after the other tasks are cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except* ProgramError as failures:
        raise failures.exceptions[0] from None


def choose_ports(asked: Mapping[str, int], reserved: Ports) -> dict[str, int]:
    """A port for every part: the one asked for, the usual one where it is free, any free one otherwise.

    Raises:
        ProgramError: when a port that was asked for is in use.
    """
    for name, port in asked.items():
        if not reserved.take(port):
            raise ProgramError(
                f"Port {port} is in use: choose another --{name}-port, or leave it out to have one chosen."
            )
    return {name: asked.get(name) or reserved.choose(usual) for name, usual in USUAL_PORTS.items()}


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner alone: outputs hold a password, graphs hold secrets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib cannot set a mode on creation
        file.write(text)
    draft.replace(path)


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[Chain]:
    """A chain that is up inside the block and gone after it, however the block ends.

    Raises:
        ProgramError: with a sentence about why it did not come up.
    """
    chain = Chain(options)
    try:
        await chain.start()
        yield chain
    finally:
        await chain.stop()
