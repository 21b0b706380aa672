"""The services of a chain: how each is started, the port that it listens on, and its files."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from socket import socketpair

from local import LOOPBACK, ROOT
from local.processes.child import Child
from local.processes.files import write_private
from local.processes.ports import Ports, choose_ports
from local.processes.supervisor import Supervisor
from local.processes.traced import module_arguments


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """Everything that a service's process is started with. An equal `Service` would start an equal process.

    Attributes:
        name: its name in messages, and that of its port and its log.
        module: its program, as in ``python -m``.
        environment: its environment variables, all of them.
        arguments: of the program.
        files: contents by path, written before each start, readable by their owner only.
        health: the path that answers 200 once it is ready; empty if it is ready when it listens.
        loads_later: modules that the program imports only once it listens.
    """

    name: str
    module: str
    environment: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    files: Mapping[Path, str] = dataclasses.field(default_factory=dict)
    health: str = ""
    loads_later: tuple[str, ...] = ()


class Services(Supervisor):
    """Child processes, each supervised once it is ready.

    Args:
        folder: the local run's; their logs are below it.
        ports: requested ports, by name as in `local.processes.ports.DEFAULT_PORTS`; the others are chosen.

    Raises:
        ProgramError: when a requested port is in use.
    """

    def __init__(self, folder: Path, ports: Mapping[str, int] | None = None) -> None:
        super().__init__()
        self._logs = folder / "logs"
        self._reserved = Ports()
        self._started: dict[str, Service] = {}
        self._emptied_logs: set[str] = set()
        self.ports = choose_ports(ports or {}, self._reserved)

    def reserve(self, name: str) -> None:
        """Choose a port for this name, unless it has one."""
        if name not in self.ports:
            self.ports[name] = self._reserved.choose()

    def url(self, name: str) -> str:
        """The address of a service on loopback, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    def up(self, service: Service) -> bool:
        """Whether a service that is equal to this one is up."""
        return service.name in self.processes and self._started.get(service.name) == service

    async def start(self, service: Service) -> None:
        """Start a service, wait until it is ready, and supervise it.

        Raises:
            ProgramError: when it ends before it is ready, or takes too long and is stopped.
        """
        child = await self._spawn(service, [*module_arguments(service.module, service.environment), *service.arguments])
        await self._supervise(child, service)

    async def replace(self, service: Service) -> None:
        """Replace the running service of this name by one with the current sources.

        The old process serves until the new one has loaded the sources; then it ends and the new one listens on the
        same port.

        Raises:
            ProgramError: when the sources cannot be loaded (the old process stays up), or when the new process does not
                become ready (then none is up).
        """
        async with self._preloaded(service) as (child, run):
            await self.end(service.name)
            run()
            await self._supervise(child, service)

    async def end_all(self) -> None:
        """Stop every service, and release the ports."""
        await super().end_all()
        self._reserved.release()

    @asynccontextmanager
    async def _preloaded(self, service: Service) -> AsyncIterator[tuple[Child, Callable[[], None]]]:
        """A service whose sources are loaded, and a function that lets it listen. It is stopped if the block fails."""
        ours, theirs = socketpair()
        with ours:
            ours.setblocking(False)
            with theirs:
                preload = ["-m", "local.processes.preload", service.module, *service.loads_later]
                child = await self._spawn(service, preload, stdin=theirs.fileno())

            async def loaded() -> bool:
                try:
                    return bool(ours.recv(1))
                except BlockingIOError:
                    return False

            await child.until(loaded)
            try:
                yield child, lambda: ours.sendall(b".")
            except BaseException:
                await child.stop()
                raise

    async def _spawn(self, service: Service, arguments: list[str], **streams: int) -> Child:
        for path, text in service.files.items():
            write_private(path, text)
        return await Child.start(
            service.name,
            [sys.executable, *arguments],
            log=self._log(service.name),
            cwd=ROOT,
            environment=service.environment,
            **streams,
        )

    async def _supervise(self, child: Child, service: Service) -> None:
        port = self.ports[service.name]
        await (child.healthy(port, service.health) if service.health else child.listening(port))
        self._started[service.name] = service
        self.adopt(child)

    def _log(self, name: str) -> Path:
        """A service's log: emptied before its first start, appended to after that."""
        log = self._logs / f"{name}.log"
        if name not in self._emptied_logs:
            self._emptied_logs.add(name)
            log.unlink(missing_ok=True)
        return log
