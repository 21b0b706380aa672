"""The lock on a local run's folder. The kernel releases it when its process ends, so a crash leaves no stale lock."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from local.processes.files import unwritable
from local.program.graph import ProgramError

STOP_SECONDS = 15.0

GRACE_SECONDS = 0.5
"""Longer than another process takes between locking the file and writing its state, or holds the lock to read it."""

NAME = "state.json"


class FolderLock:
    """An exclusive lock on a folder, which can have one chain at a time; held until the process ends."""

    def __init__(self, path: Path, file: int) -> None:
        self._path = path
        self._file = file

    @classmethod
    def acquire(cls, folder: Path) -> FolderLock:
        """Lock the folder; from now on `read_state` finds a chain that is ``starting``.

        Raises:
            ProgramError: when another process holds it, or it cannot be written to.
        """
        path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = _open(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise _unusable(folder, error) from None
        try:
            deadline = time.monotonic() + GRACE_SECONDS
            while not _try_lock(file, fcntl.LOCK_EX):
                if time.monotonic() > deadline:  # until then it may be `read_state` of another process
                    raise ProgramError(
                        "The local chain is up already, or starting: run `python -m local down` first, or name another "
                        "--folder."
                    )
                time.sleep(0.01)
            lock = cls(path, file)
            lock.describe({"state": "starting"})
        except BaseException:
            os.close(file)
            raise
        return lock

    def describe(self, state: Mapping[str, Any]) -> None:
        """Write the state of the chain, for `read_state`.

        Raises:
            ProgramError: when it cannot be written, such as on a full disk.
        """
        text = json.dumps({"pid": os.getpid(), **state}).encode()
        try:
            os.ftruncate(self._file, 0)
            while text:
                text = text[os.pwrite(self._file, text, os.fstat(self._file).st_size) :]
        except OSError as error:
            raise unwritable(self._path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)


def stop_holder(folder: Path) -> bool:
    """Ask the process that has locked the folder to end, and wait until it has; False when there is none.

    Raises:
        ProgramError: when it does not end.
    """
    state = read_state(folder)
    if state is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(state["pid"], signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while read_state(folder) is not None:
        if time.monotonic() > deadline:
            raise ProgramError(f"Process {state['pid']} does not end: kill it by hand (kill -9 {state['pid']}).")
        time.sleep(0.05)
    return True


def read_state(folder: Path) -> dict[str, Any] | None:
    """The state that the process which has locked the folder wrote; None when the folder is not locked.

    ``state`` is ``starting`` or ``up``; ``pid`` is that process's.

    Raises:
        ProgramError: when the folder cannot be read.
    """
    try:
        with _opened(folder / NAME) as file:
            deadline = time.monotonic() + GRACE_SECONDS
            while not _try_lock(file, fcntl.LOCK_SH):
                try:
                    state: dict[str, Any] = json.loads(os.pread(file, os.fstat(file).st_size, 0))
                except ValueError:  # it is being written
                    if time.monotonic() > deadline:
                        raise ProgramError(f"{folder} is locked by another program: name another --folder.") from None
                    time.sleep(0.01)
                else:
                    return state
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(folder, error) from None
    return None


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    file = _open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


def _open(path: Path, flags: int) -> int:
    """Open a regular file, and refuse anything else: opening a named pipe would wait for its other end."""
    file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise ProgramError(f"{path} is not a file: move it away, or name another folder with --folder.")
    return file


def _try_lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unusable(folder: Path, error: OSError) -> ProgramError:
    return ProgramError(
        f"{folder} cannot be used as the chain's folder ({error.strerror}): name another with --folder."
    )
