"""Ports on loopback: chooses free ones that no other chain of this user has chosen."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from local import LOOPBACK
from local.program.graph import ProgramError

DEFAULT_PORTS: Mapping[str, int] = {"gateway": 8000, "agent": 8080, "runtime": 8090, "emulator": 4566}

_BELOW_EPHEMERAL = range(20_000, 32_768)
"""Below the ephemeral ports: the kernel gives none of these to an outgoing connection or to a server that binds port 0,
so a chosen port stays free until its server listens
(https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html, ``ip_local_port_range``)."""

LOCKS = Path("/tmp", f"agent-stream-ports-{os.getuid()}")  # noqa: S108 - refused unless this user owns it
"""Not in TMPDIR, which may differ between two shells; the ports are the same for both."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def any_port() -> int:
    """A port that is free now."""
    while not is_free(port := _BELOW_EPHEMERAL.start + secrets.randbelow(len(_BELOW_EPHEMERAL))):
        pass
    return port


class Ports:
    """Loopback ports that one chain uses and no other chain of this user chooses meanwhile.

    A port is free until its server listens, a second or two after it was chosen; two chains that start together would
    choose the same. A locked file for each chosen port prevents that; the kernel releases the lock with its process.
    """

    def __init__(self) -> None:
        self._locks: dict[Path, IO[str]] = {}

    def take(self, port: int) -> bool:
        """Take this port if it is free.

        Raises:
            ProgramError: when no lock can be made.
        """
        if not is_free(port):
            return False
        try:
            LOCKS.mkdir(mode=0o700, exist_ok=True)
            if LOCKS.lstat().st_uid != os.getuid():  # another user could have put symbolic links there
                raise PermissionError(errno.EPERM, "it is another user's")
            path = LOCKS / str(port)
            lock = path.open("w", encoding="ascii")
        except OSError as error:
            raise ProgramError(
                f"The locks of ports cannot be kept in {LOCKS} ({error.strerror}): move it away."
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        if not _is_at(lock, path):  # its holder removed it between our opening and our locking it
            lock.close()
            return self.take(port)
        self._locks[path] = lock
        return True

    def choose(self, default: int | None = None) -> int:
        """Take the default port when it is free, any free one otherwise."""
        if default is not None and self.take(default):
            return default
        while not self.take(port := any_port()):
            pass
        return port

    def release(self) -> None:
        """Release the locks of all ports."""
        for path, lock in self._locks.items():
            path.unlink(missing_ok=True)
            lock.close()
        self._locks.clear()


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def choose_ports(requested: Mapping[str, int], reserved: Ports) -> dict[str, int]:
    """A port for every service: the requested one, else the default one if it is free, else any free one.

    Raises:
        ProgramError: when a requested port is in use, or requested twice.
    """
    for name, port in requested.items():
        same = [f"--{other}-port" for other, number in requested.items() if number == port]
        if len(same) > 1:
            raise ProgramError(f"{' and '.join(same)} are both {port}: give each service a port of its own.")
        if not reserved.take(port):
            raise ProgramError(
                f"Port {port} is in use: choose another --{name}-port, or leave it out to have one chosen."
            )
    return {name: requested.get(name) or reserved.choose(default) for name, default in DEFAULT_PORTS.items()}
