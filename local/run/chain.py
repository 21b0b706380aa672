"""Starts and stops the whole chain: emulator, agent, runtime, gateway.

The program is evaluated while the emulator starts; the three servers start together once the graph is known.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from infra.built_page import built_page
from infra.page import page_config
from local.processes.files import clean, write_private
from local.processes.services import Services
from local.processes.supervisor import together
from local.program.evaluate import read_settings
from local.program.graph import Graph, ProgramError
from local.run.misconfigurations import Misconfiguration
from local.run.options import Options
from local.run.outputs import addresses_of, located
from local.run.plan import TRACES, Plan, emulator
from local.run.provision import Provisioned, Provisioner


class Chain:
    """A running chain. Made by `running`, which also stops it."""

    def __init__(self, options: Options, report: Callable[[str], None] = lambda _: None) -> None:
        self.options = options
        self.services = Services(options.folder, options.ports)
        if options.control:
            self.services.reserve("control")
        self._report = report
        self._warm: Provisioner | None = None
        self._changing = asyncio.Lock()  # one restart at a time: the watcher and the control API may both ask for one
        self._served: Provisioned
        self.outputs: dict[str, Any] = {}

    async def start(self) -> None:
        """Bring everything up; `outputs` is complete when this returns.

        Raises:
            ProgramError: with a message that names the cause.
        """
        stack = self.options.stack
        read_settings(stack)
        if importlib.util.find_spec("ministack") is None:
            raise ProgramError("ministack, which emulates Cognito, is not installed: run `make setup`.")
        (self.folder / TRACES).unlink(missing_ok=True)
        self._report(f"Evaluating the {stack} stack and making its user pool ...")
        async with together() as group:
            group.create_task(self.services.start(emulator(self.services.ports["emulator"])))
            provisioner = await Provisioner.start()
            provisioning = group.create_task(
                provisioner.provision(stack, self.services.url("emulator"), page=self.page_address)
            )
        self._report("Starting the agent, AgentCore and API Gateway ...")
        await self._serve(provisioning.result(), self.options)

    async def _serve(self, provisioned: Provisioned, options: Options) -> list[str]:
        """Serve a graph with these options; a service that would be started as before keeps running, with its memory.

        Returns:
            The services that were started.
        """
        self._served, self.options, self.outputs = provisioned, options, self._outputs(provisioned, options)
        write_private(self.folder / "graph.json", options.broken.resources(provisioned.graph).to_json())
        page = self._page()
        wanted = self._plan.all(page)
        changed = [service for service in wanted if not self.services.up(service)]
        names = [service.name for service in changed]
        await self.services.end(*names)
        async with together() as group:
            for service in changed:
                group.create_task(self.services.start(service))
        write_private(self.folder / "outputs.json", json.dumps(self.outputs, indent=2) + "\n")
        return names

    async def _serve_or_restore(self, provisioned: Provisioned, options: Options) -> list[str]:
        """As `_serve`; if that fails, serve again what was served before."""
        before = self._served, self.options
        try:
            return await self._serve(provisioned, options)
        except ProgramError:
            await self._serve(*before)
            raise

    async def restart_agent(self) -> list[str]:
        """Restart the agent with its current sources, and return what was restarted.

        With isolated sessions nothing is restarted: an open session keeps the code it started with, as in AgentCore.

        Raises:
            ProgramError: as `Services.replace`.
        """
        if self.options.sessions:
            return []
        async with self._changing:
            await self.services.replace(self._plan.agent())
        return ["agent"]

    async def restart_graph(self) -> list[str]:
        """Evaluate the program and serve its graph; return what was restarted, nothing when the graph is unchanged.

        Users, tokens and addresses stay valid unless the user pool is replaced.

        Raises:
            ProgramError: when the program cannot be evaluated, or its graph cannot be served; then the previous graph
                is served again. `missing` lists the services that are not up in spite of that.
        """
        async with self._changing:
            provisioner, self._warm = self._warm or await Provisioner.start(), None
            try:
                provisioned = await provisioner.provision(
                    self.options.stack,
                    self.services.url("emulator"),
                    page=self.page_address,
                    served=self.folder / "graph.json",
                    user=(self._served.username, self._served.password),
                )
                return await self._serve_or_restore(provisioned, self.options)
            finally:
                await self.warm()

    async def break_with(self, broken: Misconfiguration) -> None:
        """Serve the same graph with another misconfiguration, or none.

        Raises:
            ProgramError: when that fails; then the graph is served as before.
        """
        async with self._changing:
            await self._serve_or_restore(self._served, dataclasses.replace(self.options, broken=broken))

    async def start_gateway(
        self, name: str, graph: Graph, *, addresses: Mapping[str, str] | None = None, access_log: Path | None = None
    ) -> str:
        """Serve another graph from a gateway beside the first, and return its address; see `Plan.gateway`."""
        self.services.reserve(name)
        await self.services.start(self._plan.gateway(name, graph, addresses=addresses, access_log=access_log))
        return self.services.url(name)

    async def warm(self) -> None:
        """Start the process for the next `restart_graph`, which does its imports ahead of time."""
        types = [resource.type.split(":") for resource in self.graph.resources]
        modules = {parts[1].partition("/")[0] for parts in types if parts[0] == "aws"}
        self._warm = await Provisioner.start(sorted(modules))

    @property
    def _plan(self) -> Plan:
        return Plan(self.graph, self.options, self.services)

    @property
    def graph(self) -> Graph:
        """What the program declares."""
        return self._served.graph

    @property
    def page_address(self) -> str:
        """The page's address on the gateway, to which the login page sends the browser back."""
        return f"{self.services.url('gateway')}/"

    @property
    def folder(self) -> Path:
        """The folder of outputs, graphs and logs."""
        return self.options.folder

    @property
    def missing(self) -> list[str]:
        """The services that should be up and are not."""
        names = ("emulator", *(() if self.options.sessions else ("agent",)), "runtime", "gateway")
        return [name for name in names if name not in self.services.processes]

    async def stop(self) -> None:
        """Stop every child."""
        await self.services.end_all()
        if self._warm is not None:
            await self._warm.close()
        clean(self.folder)

    def _page(self) -> tuple[Path, Path] | None:
        """The built page and its settings; None where it is not built."""
        folder, config = built_page(), self.folder / "page-config.json"
        if folder is None:
            return None
        control = {"controlUrl": self.services.url("control")} if self.options.control else {}
        settings = page_config(self.outputs, self.page_address, inspector=True, **control)
        write_private(config, json.dumps(settings, indent=2))
        return folder, config

    def _outputs(self, provisioned: Provisioned, options: Options) -> dict[str, Any]:
        graph = provisioned.graph
        outputs = {
            **located(graph.outputs, addresses_of(graph, self.services.url)),
            **({"websiteUrl": self.page_address} if built_page() else {}),
            "endpointUrl": self.services.url("emulator"),
            "demoUsername": provisioned.username,
            "demoPassword": provisioned.password,
            "timeScale": options.time_scale,
            "hangUp": options.hang_up,
        }
        return dict(options.broken.outputs(outputs))


@asynccontextmanager
async def running(options: Options, report: Callable[[str], None] = lambda _: None) -> AsyncIterator[Chain]:
    """A chain that is up inside the block and stopped after it, however the block ends.

    Args:
        options: how the chain is brought up.
        report: called with a sentence at each step of the start.

    Raises:
        ProgramError: when the chain does not come up; the message names the cause.
        ChildEndedError: when a service ended during the start.
    """
    chain = Chain(options, report)
    try:
        await chain.services.while_up(chain.start())
        yield chain
    finally:
        stopping = asyncio.ensure_future(chain.stop())
        while not stopping.done():  # a signal, even a second one, must not interrupt the stop
            with suppress(asyncio.CancelledError):
                await asyncio.shield(stopping)
        stopping.result()
