"""Which agent process answers for a session: one for all, or one for each, as AgentCore has a microVM for each.

Lifecycle: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-how-it-works.html
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from local.agent_process import start_agent
from local.graph import ProgramError
from local.network import LOOPBACK, Ports
from local.processes import STOP_SECONDS, Child
from local.runtime.errors import RuntimeRefusedError


class Agents(Protocol):
    """Where sessions are served."""

    def serving(self, session_id: str) -> contextlib.AbstractAsyncContextManager[str]:
        """The base URL of the session's agent, which is busy inside the block."""
        ...

    async def close(self) -> None:
        """Stop what was started."""
        ...


class SharedAgent:
    """One agent for all sessions, started by somebody else."""

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def serving(self, session_id: str) -> AsyncIterator[str]:
        """See `Agents`."""
        del session_id
        yield self._url

    async def close(self) -> None:
        """See `Agents`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Lifecycle:
    """How long a session's process lives: seconds without a request, and seconds in all."""

    idle: float
    maximum: float


@dataclasses.dataclass(slots=True)
class _Session:
    """A session's process. ``busy`` counts its requests; ``quiet_since`` is when it last had none.

    ``child`` is None while the process is being started, and again while it is being ended.
    """

    port: int
    started: float
    quiet_since: float
    busy: int = 0
    child: Child | None = None


class IsolatedAgents:
    """A process for each session, started when the session's first request comes.

    Args:
        environment: of every agent.
        logs: the folder of their logs.
        lifecycle: when a process ends by itself.
        limit: sessions at the same time.
        module: the agent's program, as in ``python -m``.
    """

    def __init__(
        self, environment: Mapping[str, str], logs: Path, lifecycle: Lifecycle, *, limit: int, module: str = "agent"
    ) -> None:
        self._environment = environment
        self._logs = logs
        self._lifecycle = lifecycle
        self._limit = limit
        self._module = module
        self._sessions: dict[str, _Session] = {}
        self._ports = Ports()
        self._free_ports: list[int] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.Task[None] | None = None

    @property
    def processes(self) -> dict[str, int]:
        """The process id behind each session that is up."""
        return {name: one.child.process.pid for name, one in self._sessions.items() if one.child}

    @asynccontextmanager
    async def serving(self, session_id: str) -> AsyncIterator[str]:
        """See `Agents`.

        Raises:
            RuntimeRefusedError: when there are too many sessions, this one is being started or ended, or its agent does
                not start.
        """
        session = self._sessions.get(session_id)
        if session is None or (session.child is not None and session.child.process.returncode is not None):
            session = self._admit(session_id)
            await self._start(session_id, session)
        elif session.child is None:
            # The AWS SDKs try again by themselves:
            # https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-troubleshooting.html
            raise RuntimeRefusedError("RetryableConflictException", "The session is being started or ended. Try again.")
        session.busy += 1
        try:
            yield f"http://{LOOPBACK}:{session.port}"
        finally:
            session.busy -= 1
            session.quiet_since = time.monotonic()

    def _admit(self, session_id: str) -> _Session:
        if session_id not in self._sessions and len(self._sessions) >= self._limit:
            raise RuntimeRefusedError("ThrottlingException", f"Active sessions are limited to {self._limit} here.")
        now = time.monotonic()
        self._forget(session_id)
        port = self._free_ports.pop() if self._free_ports else self._ports.choose()
        session = self._sessions[session_id] = _Session(port, now, now)
        self._reaper = self._reaper or asyncio.create_task(self._reap())
        return session

    async def _start(self, session_id: str, session: _Session) -> None:
        log = self._logs / f"agent-{session.port}.log"
        try:
            child = await start_agent(session.port, self._environment, log=log, module=self._module)
            await child.healthy(session.port, "/ping")
            if child.process.returncode is not None:  # then it was somebody else who answered at its port
                raise ProgramError(child.obituary())
            session.child, session.started = child, time.monotonic()
        except ProgramError as error:
            raise RuntimeRefusedError(
                "RuntimeClientError", "An error occurred when starting the runtime. Check its logs."
            ) from error
        finally:
            if session.child is None:
                self._forget(session_id)

    def _forget(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._free_ports.append(session.port)

    async def _reap(self) -> None:
        """End sessions whose time is over or whose process is; one that takes its time to end holds up no other."""
        while True:
            await asyncio.sleep(min(self._lifecycle.idle, self._lifecycle.maximum, 1.0) / 10)
            now = time.monotonic()
            for session_id, session in self._sessions.items():
                idle = not session.busy and now - session.quiet_since > self._lifecycle.idle
                old = now - session.started > self._lifecycle.maximum
                if session.child is not None and (idle or old or session.child.process.returncode is not None):
                    ending = asyncio.create_task(self._end(session_id, session.child))
                    session.child = None
                    self._ending.add(ending)
                    ending.add_done_callback(self._ending.discard)

    async def _end(self, session_id: str, child: Child) -> None:
        await child.stop()
        self._forget(session_id)

    async def close(self) -> None:
        """See `Agents`."""
        if self._reaper is not None:
            self._reaper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reaper
        children = [one.child for one in self._sessions.values() if one.child]
        # Sooner than the runtime's own supervisor loses its patience with the runtime.
        await asyncio.gather(*self._ending, *(child.stop(STOP_SECONDS / 2) for child in children))
        self._ports.release()
