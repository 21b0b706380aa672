"""The whole chain as one thing that is up or down: emulator, agent, runtime, gateway.

Order matters little: the program is evaluated while the emulator starts, and the three servers start together once the
graph is known.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from infra.page import page_config
from local.processes.files import forget, write_private
from local.processes.supervisor import together
from local.program.evaluate import read_settings
from local.program.graph import Graph, ProgramError
from local.run.misconfigurations import Fault
from local.run.outputs import addresses_of, located
from local.run.page import built_page
from local.run.provision import Provisioned, Provisioner
from local.run.services import Options, Parts


class Chain:
    """A running chain. Made by `running`, which also takes it down."""

    def __init__(self, options: Options, tell: Callable[[str], None] = lambda _: None) -> None:
        self._options = options
        self._tell = tell
        self.parts = Parts(options)
        self._standby: Provisioner | None = None
        self._changing = asyncio.Lock()  # one restart at a time: files are saved while a switch is thrown
        self._served: Provisioned
        self.outputs: dict[str, Any] = {}

    async def start(self) -> None:
        """Bring everything up; `outputs` is complete when this returns.

        Raises:
            ProgramError: with a sentence about what is at fault.
        """
        stack = self._options.stack
        read_settings(stack)
        if importlib.util.find_spec("ministack") is None:
            raise ProgramError("ministack, which stands in for Cognito, is not installed: run `make setup`.")
        self._tell(f"Evaluating the {stack} stack and making its user pool ...")
        async with together() as group:
            group.create_task(self.parts.start_emulator())
            provisioner = await Provisioner.start()
            provisioning = group.create_task(
                provisioner.provision(stack, self.parts.url("emulator"), page=self.page_address)
            )
        await self._serve(provisioning.result())

    async def _serve(self, provisioned: Provisioned) -> None:
        """Start what stands on the graph."""
        self._served = provisioned
        graph, fault, parts = self.graph, self.fault, self.parts
        write_private(self.folder / "graph.json", fault.resources(graph).to_json())
        self.outputs = self._outputs()
        self._tell("Starting the agent, AgentCore and API Gateway ...")
        async with together() as group:
            if "agent" in self.missing:
                group.create_task(parts.start_agent(graph))
            group.create_task(parts.start_runtime(fault.runtime(graph)))
            group.create_task(parts.start_gateway("gateway", fault.gateway(graph), page=self._page()))
        write_private(self.folder / "outputs.json", json.dumps(self.outputs, indent=2) + "\n")

    async def restart_agent(self) -> list[str]:
        """Serve the agent's present sources, and return what was restarted.

        Where sessions are isolated nothing is: one that is open keeps the code it started with, as in AgentCore.

        Raises:
            ProgramError: as `Parts.replace_agent`.
        """
        if self._options.sessions:
            return []
        async with self._changing:
            await self.parts.replace_agent(self.graph)
        return ["agent"]

    async def restart_graph(self) -> list[str]:
        """Serve what the program declares now, and return what was restarted: nothing when that is as before.

        Users, tokens and addresses stay where the user pool does.

        Raises:
            ProgramError: when the program cannot be evaluated, or what it declares cannot be served; the graph that
                was served is served again. What even so is not up is in `missing`.
        """
        async with self._changing:
            return await self._restart_graph()

    async def _restart_graph(self) -> list[str]:
        before = self._served
        provisioner, self._standby = self._standby or await Provisioner.start(), None
        try:
            provisioned = await provisioner.provision(
                self._options.stack,
                self.parts.url("emulator"),
                page=self.page_address,
                served=self.folder / "graph.json",
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

    async def break_with(self, fault: Fault) -> None:
        """Serve what is served with another fault, or none; the agent stays where the fault is not the agent's.

        Raises:
            ProgramError: when it cannot be served so; what was served is served again.
        """
        async with self._changing:
            before = self.fault
            try:
                await self._exchange(self._served, fault)
            except ProgramError:
                await self._exchange(self._served, before)
                raise

    async def _exchange(self, provisioned: Provisioned, fault: Fault | None = None) -> list[str]:
        """Serve another graph, or with another fault; the agent, and what it remembers, stays where its start does."""
        before = self._agent_start(self.graph)
        self._options = dataclasses.replace(self._options, fault=fault or self.fault)
        self.parts.use(self.fault)
        same = self._options.sessions or before == self._agent_start(provisioned.graph)
        names = [*([] if same else ["agent"]), "runtime", "gateway"]
        await self.parts.end(*names)
        await self._serve(provisioned)
        return names

    async def stand_by(self) -> None:
        """Have a process ready for the next `restart_graph`, with its imports done."""
        types = [resource.type.split(":") for resource in self.graph.resources]
        modules = {parts[1].partition("/")[0] for parts in types if parts[0] == "aws"}
        self._standby = await Provisioner.start(sorted(modules))

    def _agent_start(self, graph: Graph) -> tuple[str, dict[str, str]]:
        """What the agent's process is started from."""
        return self.fault.agent_module, self.parts.agent_environment(graph)

    @property
    def fault(self) -> Fault:
        """What is broken on purpose."""
        return self._options.fault

    @property
    def graph(self) -> Graph:
        """What the program declares."""
        return self._served.graph

    @property
    def page_address(self) -> str:
        """Where the gateway serves the page, and the login page sends the browser back to."""
        return f"{self.parts.url('gateway')}/"

    @property
    def folder(self) -> Path:
        """Where outputs, graphs and logs are."""
        return self._options.folder

    @property
    def missing(self) -> list[str]:
        """The parts that should be up and are not."""
        names = ("emulator", *(() if self._options.sessions else ("agent",)), "runtime", "gateway")
        return [name for name in names if name not in self.parts.processes]

    async def stop(self) -> None:
        """Stop every child."""
        await self.parts.end_all()
        if self._standby is not None:
            await self._standby.close()
        forget(self.folder)

    def _page(self) -> tuple[Path, Path] | tuple[()]:
        """The built page and its settings; nothing where it is not built."""
        folder, config = built_page(), self.folder / "page-config.json"
        if folder is None:
            return ()
        control = {"controlUrl": self.parts.url("control")} if self._options.control else {}
        settings = page_config(self.outputs, self.page_address, inspector=True, **control)
        write_private(config, json.dumps(settings, indent=2))
        return folder, config

    def _outputs(self) -> dict[str, Any]:
        outputs = {
            **located(self.graph.outputs, addresses_of(self.graph, self.parts.url)),
            **({"websiteUrl": self.page_address} if built_page() else {}),
            "endpointUrl": self.parts.url("emulator"),
            "demoUsername": self._served.username,
            "demoPassword": self._served.password,
            "timeScale": self._options.time_scale,
            "hangUp": self._options.hang_up,
        }
        return dict(self.fault.outputs(outputs))


@asynccontextmanager
async def running(options: Options, tell: Callable[[str], None] = lambda _: None) -> AsyncIterator[Chain]:
    """A chain that is up inside the block and gone after it, however the block ends; ``tell`` hears what is done.

    Raises:
        ProgramError: with a sentence about why it did not come up.
        ChildEndedError: with a sentence about the part that died meanwhile.
    """
    chain = Chain(options, tell)
    try:
        await chain.parts.while_up(chain.start())
        yield chain
    finally:
        stopping = asyncio.ensure_future(chain.stop())
        while not stopping.done():  # a signal, or a second one, does not break it off
            with suppress(asyncio.CancelledError):
                await asyncio.shield(stopping)
        stopping.result()
