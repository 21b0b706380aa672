"""The parts of a chain as processes: how each is started, the port that it listens on, and its files."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local import LOOPBACK, ROOT
from local.planes.runtime.hang_up import HangUp
from local.processes.agent_process import agent_environment, prepared_agent, start_agent
from local.processes.child import Child, bare_environment
from local.processes.env_file import read_env_file
from local.processes.files import write_private
from local.processes.ports import Ports, choose_ports
from local.processes.supervisor import Supervisor
from local.program.graph import Graph
from local.run.misconfigurations import SOUND, Fault
from local.run.outputs import addresses_of


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How to bring the chain up.

    Attributes:
        stack: whose graph to serve.
        folder: where graph, outputs and logs go.
        ports: ports asked for, by name as in `local.processes.ports.USUAL_PORTS`; the others are chosen.
        model: what the agent answers with, in place of the stack's model.
        time_scale: AWS's time limits are divided by this.
        hang_up: whether the agent learns of a caller who has hung up: ``lost`` or ``passed``.
        sessions: how many sessions may each have an agent process of their own; 0 for one process for all.
        fault: what is broken on purpose, for the doctor to find.
        control: serve the switches of the page's inspector, see `local.run.control`.
    """

    stack: str = "dev"
    folder: Path = ROOT / ".local"
    ports: Mapping[str, int] = dataclasses.field(default_factory=dict)
    model: str = "scripted"
    time_scale: float = 1.0
    sessions: int = 0
    hang_up: HangUp = "lost"
    fault: Fault = SOUND
    control: bool = False

    @property
    def in_force(self) -> dict[str, str]:
        """What makes this chain another than the one that comes up without options, by the option's name."""
        said = {
            "--break": self.fault.name,
            "--time-scale": f"{self.time_scale:g}" if self.time_scale != 1 else "",
            "--sessions": str(self.sessions or ""),
            "--hang-up": self.hang_up,
        }
        return {option: value for option, value in said.items() if value}


class Parts(Supervisor):
    """Emulator, agent, runtime and gateways, supervised from the moment that each is ready."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self._options = options
        self._reserved = Ports()
        self._begun: set[str] = set()
        self.ports = choose_ports(options.ports, self._reserved)
        if options.control:
            self.ports["control"] = self._reserved.choose()

    async def start_emulator(self) -> None:
        """Start what stands in for Cognito."""
        port = str(self.ports["emulator"])
        environment = {
            "BIND_HOST": LOOPBACK,  # its own default is every interface
            "GATEWAY_PORT": port,
            "MINISTACK_PORT": port,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        await self._start("emulator", [sys.executable, "-m", "local.planes.user_pool"], environment)

    async def start_agent(self, graph: Graph) -> None:
        """Start the one agent that serves all sessions."""
        port, log = self.ports["agent"], self._log("agent")
        child = await start_agent(port, self.agent_environment(graph), log=log, module=self._options.fault.agent_module)
        await child.healthy(port, "/ping")
        self.adopt(child)

    async def replace_agent(self, graph: Graph) -> None:
        """Put an agent with the present sources in the place of the one that is up.

        That one serves until the other has loaded its sources; then it ends and the other listens, on the port that the
        runtime knows.

        Raises:
            ProgramError: when the sources cannot be loaded, and the agent that is up stays; or when what was loaded
                does not start, and then there is none.
        """
        port, log = self.ports["agent"], self._log("agent")
        environment, module = self.agent_environment(graph), self._options.fault.agent_module
        async with prepared_agent(port, environment, log=log, module=module) as (child, run):
            await self.end("agent")
            run()
            await child.healthy(port, "/ping")
            self.adopt(child)

    async def start_runtime(self, graph: Graph) -> None:
        """Serve a graph's runtime."""
        options = self._options
        agents = ["--agent", self.url("agent")]
        if options.sessions:
            path = options.folder / "agents.json"
            how = {
                "environment": self.agent_environment(graph),
                "logs": str(options.folder / "logs"),
                "limit": options.sessions,
                "module": options.fault.agent_module,
            }
            write_private(path, json.dumps(how))
            agents = ["--agents", str(path)]
        await self._start_server("runtime", graph, *agents, "--hang-up", options.hang_up)

    async def start_gateway(
        self,
        name: str,
        graph: Graph,
        *,
        addresses: Mapping[str, str] | None = None,
        access_log: Path | None = None,
        page: Sequence[Path] = (),
    ) -> str:
        """Serve a graph's REST API and return the address; a second may serve a changed graph beside the first.

        Args:
            name: of the child process, its port and its files.
            graph: what to serve.
            addresses: hosts that are elsewhere for this gateway.
            access_log: where its lines go, in place of the logs' folder.
            page: the built chat page to serve on the same origin, and its ``config.json``.
        """
        if name not in self.ports:
            self.ports[name] = self._reserved.choose()
        log = access_log or self._options.folder / "logs" / f"{name.replace('gateway', 'access')}.log"
        elsewhere = [f"--address={host}={url}" for host, url in (addresses or {}).items()]
        served = ["--page", *map(str, page)] if page else []
        await self._start_server(name, graph, "--access-log", str(log), *elsewhere, *served, module="gateway")
        return self.url(name)

    def use(self, fault: Fault) -> None:
        """Start parts with this fault from now on."""
        self._options = dataclasses.replace(self._options, fault=fault)

    def agent_environment(self, graph: Graph) -> dict[str, str]:
        """What every agent of the graph is started with."""
        options = self._options
        changes = {**read_env_file(), **options.fault.agent_environment}
        return agent_environment(graph, model=options.model, time_scale=options.time_scale, changes=changes)

    def url(self, name: str) -> str:
        """The address of a part on loopback, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    async def end_all(self) -> None:
        """Stop every part, and let others have the ports."""
        await super().end_all()
        self._reserved.release()

    async def _start_server(self, name: str, graph: Graph, *arguments: str, module: str | None = None) -> None:
        path = self._options.folder / f"{name}-graph.json"
        write_private(path, graph.to_json())
        argv = [
            sys.executable,
            "-m",
            f"local.planes.{module or name}",
            "--graph",
            str(path),
            "--port",
            str(self.ports[name]),
        ]
        argv += [f"--address={host}={url}" for host, url in addresses_of(graph, self.url).hosts.items()]
        await self._start(name, [*argv, "--time-scale", str(self._options.time_scale), *arguments], {})

    async def _start(self, name: str, argv: list[str], environment: Mapping[str, str]) -> None:
        """Start a part and look after it once it listens on its port; one that never does is stopped again."""
        log = self._log(name)
        child = await Child.start(name, argv, log=log, cwd=ROOT, environment={**bare_environment(), **environment})
        await child.listening(self.ports[name])
        self.adopt(child)

    def _log(self, name: str) -> Path:
        """A part's log: empty when the part is first started, and gone on with after that."""
        log = self._options.folder / "logs" / f"{name}.log"
        if name not in self._begun:
            self._begun.add(name)
            log.unlink(missing_ok=True)
        return log
