"""How each service of a chain is started: from the declared resources and the options of the run only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from local import LOOPBACK
from local.planes.traces import PATH
from local.processes.agent_process import agent_environment
from local.processes.child import bare_environment
from local.processes.env_file import read_env_file
from local.processes.services import Service, Services
from local.processes.traced import ENDPOINT
from local.program.graph import Graph
from local.run.options import Options
from local.run.outputs import addresses_of

TRACES = "traces.jsonl"
"""In the folder of a local run: the spans of its agent."""


def emulator(port: int) -> Service:
    """The emulator of Cognito."""
    environment = {
        "BIND_HOST": LOOPBACK,  # the emulator's default is every interface
        "GATEWAY_PORT": str(port),
        "MINISTACK_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    return Service("emulator", "local.planes.user_pool", {**bare_environment(), **environment})


class Plan:
    """The services that serve a graph.

    Args:
        graph: what the program declares.
        options: how it is served.
        services: the ports that they listen on.
    """

    def __init__(self, graph: Graph, options: Options, services: Services) -> None:
        self._graph = graph.at_time_scale(options.time_scale)
        self._options = options
        self._services = services

    def all(self, page: tuple[Path, Path] | None) -> list[Service]:
        """All services; ``page`` is the built chat page and its ``config.json``."""
        agents = [] if self._options.sessions else [self.agent()]
        return [*agents, self.runtime(), self.gateway("gateway", self._options.broken.gateway(self._graph), page=page)]

    def agent(self) -> Service:
        """The one agent that serves all sessions."""
        return Service(
            "agent",
            self._options.broken.agent_module,
            {**self._agent_environment(), "AGENT_PORT": str(self._services.ports["agent"])},
            health="/ping",
            loads_later=("agent.app", self._options.agent),
        )

    def runtime(self) -> Service:
        """The emulator of AgentCore Runtime."""
        options, files = self._options, {}
        agents = ["--agent", self._services.url("agent")]
        if options.sessions:
            path = options.folder / "agents.json"
            config = {
                "environment": self._agent_environment(),
                "logs": str(options.folder / "logs"),
                "limit": options.sessions,
                "module": options.broken.agent_module,
            }
            files, agents = {path: json.dumps(config)}, ["--agents", str(path)]
        return self._plane(
            "runtime",
            "runtime",
            options.broken.runtime(self._graph),
            *agents,
            "--hang-up",
            options.hang_up,
            files=files,
        )

    def gateway(
        self,
        name: str,
        graph: Graph,
        *,
        addresses: Mapping[str, str] | None = None,
        access_log: Path | None = None,
        page: tuple[Path, Path] | None = None,
    ) -> Service:
        """The emulator of API Gateway; a second one may serve another graph beside the first.

        Args:
            name: of the service.
            graph: what to serve.
            addresses: addresses of AWS hosts that differ for this gateway.
            access_log: the file of its access log, in place of one in the logs' folder.
            page: the built chat page to serve on the same origin, and its ``config.json``.
        """
        log = access_log or self._options.folder / "logs" / f"{name.replace('gateway', 'access')}.log"
        elsewhere = [f"--address={host}={url}" for host, url in (addresses or {}).items()]
        served = ["--page", *map(str, page)] if page else []
        graph = graph.at_time_scale(self._options.time_scale)
        return self._plane(name, "gateway", graph, "--access-log", str(log), *elsewhere, *served)

    def _plane(
        self, name: str, module: str, graph: Graph, *arguments: str, files: Mapping[Path, str] | None = None
    ) -> Service:
        path = self._options.folder / f"{name}-graph.json"
        arguments = ("--traces", str(self._options.folder / TRACES), *arguments)
        where = [f"--address={host}={url}" for host, url in addresses_of(graph, self._services.url).hosts.items()]
        return Service(
            name,
            f"local.planes.{module}",
            bare_environment(),
            ("--graph", str(path), "--port", str(self._services.ports[name]), *where, *arguments),
            {path: graph.to_json(), **(files or {})},
        )

    def _agent_environment(self) -> dict[str, str]:
        """The environment of every agent process."""
        traces = {ENDPOINT: f"{self._services.url('runtime')}{PATH}"}
        changes = {**traces, **read_env_file(), **self._options.broken.agent_environment}
        return agent_environment(self._graph, agent=self._options.agent, model=self._options.model, changes=changes)
