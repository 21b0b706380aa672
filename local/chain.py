"""The whole chain as one thing that is up or down: emulator, agent, runtime, gateway.

Each is a process of its own on loopback; this supervises them. Order matters little: the program is evaluated while
the emulator starts, and the three servers start together once the graph is known.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import json
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from local import ROOT
from local.agent_process import agent_environment, prepared_agent, start_agent
from local.evaluate import read_settings
from local.faults import Fault
from local.files import forget, write_private
from local.graph import Graph, ProgramError
from local.network import LOOPBACK, Ports, choose_ports
from local.outputs import addresses_of, located
from local.processes import Child, bare_environment
from local.provision import Provisioned, Provisioner
from local.supervisor import Supervisor

__all__ = ["Chain", "Options", "running", "together", "write_private"]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How to bring the chain up.

    Attributes:
        stack: whose graph to serve.
        folder: where graph, outputs and logs go.
        ports: ports asked for, by name as in `local.network.USUAL_PORTS`; the others are chosen.
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
        self._served: Provisioned
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
        async with together() as group:
            group.create_task(self._start_emulator())
            provisioning = group.create_task((await Provisioner.start()).provision(options.stack, endpoint))
        await self._serve(provisioning.result())

    async def _serve(self, provisioned: Provisioned) -> None:
        """Start what stands on the graph."""
        options = self._options
        self._served = provisioned
        fault = options.fault
        resources = fault.resources(self.graph) if fault else self.graph
        write_private(options.folder / "graph.json", resources.to_json())
        served_by_gateway = fault.gateway(self.graph) if fault and fault.gateway else self.graph
        served_by_runtime = fault.runtime(self.graph) if fault and fault.runtime else self.graph
        async with together() as group:
            if not options.sessions and "agent" not in self.processes:
                group.create_task(self._start_agent())
            group.create_task(self._start_runtime(served_by_runtime))
            group.create_task(self.start_gateway("gateway", served_by_gateway))
        self.outputs = self._outputs()
        write_private(options.folder / "outputs.json", json.dumps(self.outputs, indent=2) + "\n")

    async def restart_agent(self) -> list[str]:
        """Serve the agent's present sources, and return what was restarted.

        The agent that is up serves until the other has loaded its sources; then one ends and the other listens, on the
        port that the runtime knows. Where sessions are isolated nothing is restarted: one that is open keeps the code
        it started with, as in AgentCore.

        Raises:
            ProgramError: when the sources cannot be loaded, and the agent that is up stays; or when what was loaded
                does not start, and then there is none: see `missing`.
        """
        if self._options.sessions:
            return []
        port, environment = self.ports["agent"], self._agent_environment()
        log = self._fresh_log("agent-restarted")
        async with prepared_agent(port, environment, log=log, module=self._agent_module) as (child, run):
            await self._supervisor.end("agent")
            child.log = log.replace(log.with_name("agent.log"))
            run()
            await child.healthy(port, "/ping")
            self._supervisor.adopt(child)
        return ["agent"]

    async def restart_graph(self) -> list[str]:
        """Serve what the program declares now, and return what was restarted: nothing when that is as before.

        Users, tokens and addresses stay where the user pool does.

        Raises:
            ProgramError: when the program cannot be evaluated, or what it declares cannot be served; the graph that
                was served is served again. What even so is not up is in `missing`.
        """
        before = self._served
        provisioner, self._standby = self._standby or await Provisioner.start(), None
        try:
            provisioned = await provisioner.provision(
                self._options.stack,
                self.url("emulator"),
                served=self._options.folder / "graph.json",
                user=(before.username, before.password),
            )
            if provisioned.graph == before.graph and not self.missing:
                return []
            try:
                return await self._exchange(provisioned)
            except ProgramError:
                await self._exchange(before)
                raise
        finally:
            await self.stand_by()

    async def _exchange(self, provisioned: Provisioned) -> list[str]:
        """Serve another graph; the agent, and what it remembers, stays where its environment does."""
        environment, self._served = self._agent_environment(), provisioned
        changed = [] if self._options.sessions or environment == self._agent_environment() else ["agent"]
        names = [*changed, "runtime", "gateway"]
        await self._supervisor.end(*names)
        await self._serve(provisioned)
        return names

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
    def graph(self) -> Graph:
        """What the program declares."""
        return self._served.graph

    @property
    def folder(self) -> Path:
        """Where outputs, graphs and logs are."""
        return self._options.folder

    @property
    def processes(self) -> dict[str, int]:
        """The process id of every child, by name."""
        return self._supervisor.processes

    @property
    def missing(self) -> list[str]:
        """The parts that should be up and are not, because they could not be restarted."""
        parts = ("emulator", *(() if self._options.sessions else ("agent",)), "runtime", "gateway")
        return [name for name in parts if name not in self.processes]

    async def while_up(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work; it is cancelled when a part of the chain stops by itself meanwhile.

        Raises:
            ChildEndedError: with a sentence about the part.
        """
        return await self._supervisor.while_up(work)

    async def stop(self) -> None:
        """Stop every child."""
        await self._supervisor.end_all()
        if self._standby is not None:
            await self._standby.close()
        self._reserved.release()
        forget(self.folder)

    async def _start_emulator(self) -> None:
        port = str(self.ports["emulator"])
        environment = {
            "BIND_HOST": LOOPBACK,  # its own default is every interface
            "GATEWAY_PORT": port,
            "MINISTACK_PORT": port,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        await self._start("emulator", [sys.executable, "-m", "ministack"], environment)

    async def _start_agent(self) -> None:
        log = self._fresh_log("agent")
        child = await start_agent(self.ports["agent"], self._agent_environment(), log=log, module=self._agent_module)
        await child.healthy(self.ports["agent"], "/ping")
        self._supervisor.adopt(child)

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
        for host, url in addresses_of(self.graph, self.url).hosts.items():
            argv += ["--address", f"{host}={url}"]
        await self._start(name, [*argv, *arguments], {})

    async def _start(self, name: str, argv: list[str], environment: Mapping[str, str]) -> None:
        """Start a part and look after it once it listens on its port; one that never does is stopped again."""
        log = self._fresh_log(name)
        child = await Child.start(name, argv, log=log, cwd=ROOT, environment={**bare_environment(), **environment})
        await child.listening(self.ports[name])
        self._supervisor.adopt(child)

    def _fresh_log(self, name: str) -> Path:
        log = self.folder / "logs" / f"{name}.log"
        log.unlink(missing_ok=True)
        return log

    def url(self, name: str) -> str:
        """The address of a part on loopback, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    def _outputs(self) -> dict[str, Any]:
        outputs = {
            **located(self.graph.outputs, addresses_of(self.graph, self.url)),
            "endpointUrl": self.url("emulator"),
            "demoUsername": self._served.username,
            "demoPassword": self._served.password,
            "timeScale": self._options.time_scale,
        }
        return dict(self._options.fault.outputs(outputs)) if self._options.fault else outputs


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first failure is raised as itself, after the other tasks are cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except* (ProgramError, OSError) as failures:
        raise failures.exceptions[0] from None


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[Chain]:
    """A chain that is up inside the block and gone after it, however the block ends.

    Raises:
        ProgramError: with a sentence about why it did not come up.
    """
    chain = Chain(options)
    try:
        await chain.while_up(chain.start())
        yield chain
    finally:
        stopping = asyncio.ensure_future(chain.stop())
        while not stopping.done():  # a signal, or a second one, does not break it off
            with suppress(asyncio.CancelledError):
                await asyncio.shield(stopping)
        stopping.result()
