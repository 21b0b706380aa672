"""Child processes that never outlive the local run."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import dataclasses
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from local import LOOPBACK
from local.processes.logs import last_error
from local.program.graph import ProgramError

START_SECONDS = 60.0
"""A child that is not ready after this long is stopped; a slow and busy machine needs far less."""

STOP_SECONDS = 4.0
"""A child gets this long to end after SIGTERM before it is killed."""

PR_SET_PDEATHSIG = 1
"""Linux: the signal a process gets when its parent dies (prctl(2))."""


def bare_environment() -> dict[str, str]:
    """The environment of a child: what a process needs to start, and none of the user's credentials or proxies."""
    kept = ("HOME", "LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


class ChildEndedError(Exception):
    """A supervised child ended by itself; the message is its `Child.exit_message`."""


@dataclasses.dataclass(slots=True)
class Child:
    """A running child process.

    Attributes:
        name: its name in messages.
        log: the file that its output goes to.
        begins_at: where its own output begins in the log, in bytes; earlier output is from earlier processes.
    """

    name: str
    process: asyncio.subprocess.Process
    log: Path
    begins_at: int = 0

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        cwd: Path,
        environment: Mapping[str, str],
        stdin: int = asyncio.subprocess.DEVNULL,
    ) -> Child:
        """Start a process in a session of its own, so that Ctrl-C reaches only the supervising process."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            begins_at = output.seek(0, os.SEEK_END)
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=stdin,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        return cls(name, process, log, begins_at)

    async def listening(self, port: int) -> None:
        """Return when the child accepts connections on a loopback port.

        Raises:
            ProgramError: when it ends first.
        """
        await self.until(lambda: _accepts(port))

    async def healthy(self, port: int, path: str) -> None:
        """Return when the child answers a GET with 200.

        Raises:
            ProgramError: when it ends first.
        """
        await self.until(lambda: _answers(port, path))

    async def until(self, ready: Callable[[], Awaitable[bool]]) -> None:
        """Return when the child is ready; if it takes too long, or the wait is cancelled, stop it.

        Raises:
            ProgramError: when it ends first, or takes longer than `START_SECONDS`.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await ready():
                    if self.process.returncode is not None:
                        raise ProgramError(self.exit_message())
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self.stop()
            raise ProgramError(
                f"The {self.name} was not ready after {START_SECONDS:g} s; its log is {self.log}."
            ) from None
        except BaseException:
            await self.stop()
            raise

    def exit_message(self) -> str:
        """The exit code, the log, and the last error in it."""
        lines: list[str] = []
        with contextlib.suppress(OSError), self.log.open("rb") as log:  # the log may have been deleted
            log.seek(self.begins_at)
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
        last = last_error(lines)[:300]
        ending = f" Its last error: {last}{'' if last.endswith(('.', '!', '?')) else '.'}" if last else ""
        return f"The {self.name} stopped with exit code {self.process.returncode}; its log is {self.log}.{ending}"

    async def stop(self, kill_after: float = STOP_SECONDS) -> None:
        """Stop the child and every process of its session: SIGTERM, and SIGKILL after `kill_after` seconds."""
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), kill_after)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.process.wait()
        self._signal(signal.SIGKILL)  # processes that it left behind in its session

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def die_with_parent() -> None:
    """A ``preexec_fn``: the kernel kills the child when its parent dies, for whatever reason. Linux only.

    SIGKILL, because an agent whose event loop is blocked does not handle SIGTERM, and no parent is left to follow up.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


async def _answers(port: int, path: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
