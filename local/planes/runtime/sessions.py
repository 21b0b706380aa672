"""The agent process of a session: one shared by all, or one for each session, as AgentCore has a microVM for each.

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

import aiohttp

from local import LOOPBACK
from local.planes.runtime.config import POLL_SECONDS
from local.planes.runtime.errors import RuntimeRefusedError
from local.planes.upstream import client_session
from local.processes.agent_process import start_agent
from local.processes.child import STOP_SECONDS, Child
from local.processes.ports import Ports
from local.program.graph import ProgramError


class Agents(Protocol):
    """The agent processes of the sessions."""

    def serving(self, session_id: str) -> contextlib.AbstractAsyncContextManager[str]:
        """The base URL of the session's agent, for one request."""
        ...

    async def close(self) -> None:
        """Stop the processes that it started."""
        ...


class SharedAgent:
    """One agent for all sessions, which another process started."""

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def serving(self, session_id: str) -> AsyncIterator[str]:
        """See `Agents`."""
        del session_id
        yield self._url

    async def close(self) -> None:
        """See `Agents`."""


PING_TIMEOUT_SECONDS = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Lifecycle:
    """How long a session's process lives without activity and at most, and the time between pings; all in seconds.

    Activity is a request, a ping with ``HealthyBusy``, or a ping whose ``time_of_last_update`` has changed
    (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-http-protocol-contract.html). A response that
    is still being sent does not count: agents that reported ``Healthy`` were ended in the middle of one
    (https://github.com/aws-samples/sample-multi-agent-orchestration-chat-on-agentcore/pull/42).
    """

    idle: float
    maximum: float
    poll: float = POLL_SECONDS


@dataclasses.dataclass(slots=True)
class _Session:
    """A session's process; ``active_at``: the time of its last activity, ``updated``: its last `time_of_last_update`.

    ``child`` is None while the process is being started, and again while it is being ended.
    """

    port: int
    started: float
    active_at: float
    updated: object = None
    child: Child | None = None


class IsolatedAgents:
    """A process for each session, started when the session's first request comes.

    Args:
        environment: of every agent.
        logs: the folder of their logs.
        lifecycle: when a process ends by itself.
        limit: of sessions at the same time.
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
        session.active_at = time.monotonic()
        try:
            yield f"http://{LOOPBACK}:{session.port}"
        finally:
            session.active_at = time.monotonic()

    def _admit(self, session_id: str) -> _Session:
        if session_id not in self._sessions and len(self._sessions) >= self._limit:
            raise RuntimeRefusedError("ThrottlingException", f"Active sessions are limited to {self._limit} here.")
        now = time.monotonic()
        self._remove(session_id)
        port = self._free_ports.pop() if self._free_ports else self._ports.choose()
        session = self._sessions[session_id] = _Session(port, now, now)
        self._reaper = self._reaper or asyncio.create_task(self._reap())
        return session

    async def _start(self, session_id: str, session: _Session) -> None:
        log = self._logs / f"agent-{session.port}.log"
        try:
            child = await start_agent(session.port, self._environment, log=log, module=self._module)
            await child.healthy(session.port, "/ping")
            if child.process.returncode is not None:  # then another process answered at its port
                raise ProgramError(child.exit_message())
            session.child, session.started = child, time.monotonic()
        except ProgramError as error:
            raise RuntimeRefusedError(
                "RuntimeClientError", "An error occurred when starting the runtime. Check its logs."
            ) from error
        finally:
            if session.child is None:
                self._remove(session_id)

    def _remove(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._free_ports.append(session.port)

    async def _reap(self) -> None:
        """End sessions that are idle, too old or without a process, each in a task, so that none delays another."""
        async with client_session() as client:
            while True:
                await asyncio.sleep(min(self._lifecycle.poll, self._lifecycle.idle / 4, self._lifecycle.maximum / 4))
                await asyncio.gather(*(self._ping(client, one) for one in self._sessions.values() if one.child))
                now = time.monotonic()
                for session_id, session in self._sessions.items():
                    idle = now - session.active_at > self._lifecycle.idle
                    old = now - session.started > self._lifecycle.maximum
                    if session.child is not None and (idle or old or session.child.process.returncode is not None):
                        ending = asyncio.create_task(self._end(session_id, session.child))
                        session.child = None
                        self._ending.add(ending)
                        ending.add_done_callback(self._ending.discard)

    async def _ping(self, client: aiohttp.ClientSession, session: _Session) -> None:
        """Ping a session's agent; a ping without a valid response changes nothing."""
        try:
            async with asyncio.timeout(PING_TIMEOUT_SECONDS):
                async with client.get(f"http://{LOOPBACK}:{session.port}/ping") as answer:
                    content = await answer.json(content_type=None)
        except (aiohttp.ClientError, ConnectionError, TimeoutError, ValueError):
            return
        if not isinstance(content, dict):
            return
        updated, before = content.get("time_of_last_update"), session.updated
        session.updated = updated
        if content.get("status") == "HealthyBusy" or (before is not None and updated != before):
            session.active_at = time.monotonic()

    async def _end(self, session_id: str, child: Child) -> None:
        await child.stop()
        self._remove(session_id)

    async def close(self) -> None:
        """See `Agents`."""
        if self._reaper is not None:
            self._reaper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reaper
        children = [one.child for one in self._sessions.values() if one.child]
        # In half the time after which the runtime's own supervisor kills the runtime.
        await asyncio.gather(*self._ending, *(child.stop(STOP_SECONDS / 2) for child in children))
        self._ports.release()
