"""Which process holds the chain up: a lock that dies with its holder, so a crash leaves nothing to clean by hand."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from local.program.graph import ProgramError

STOP_SECONDS = 15.0

MOMENT_SECONDS = 0.5
"""Longer than another process takes between locking the file and writing to it, or looks at the lock."""


class Claim:
    """The right to be the one chain of a folder, held while the process lives."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    def take(cls, folder: Path) -> Claim:
        """Claim the folder; from now on `read_state` finds a chain that is ``starting``.

        Raises:
            ProgramError: when another process holds it, or it cannot be written to.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / "state.json").open("a+", encoding="utf-8")
        except OSError as error:
            raise _unusable(folder, error) from None
        deadline = time.monotonic() + MOMENT_SECONDS
        while not _locked(file, fcntl.LOCK_EX):
            if time.monotonic() > deadline:  # before, it may be somebody who only looks
                file.close()
                raise ProgramError(
                    "The local chain is up already, or starting: run `python -m local down` first, or name another "
                    "--folder."
                )
            time.sleep(0.01)
        claim = cls(file)
        claim.describe({"state": "starting"})
        return claim

    def describe(self, state: Mapping[str, Any]) -> None:
        """Write down what is up, for `read_state`."""
        self._file.truncate(0)
        json.dump({"pid": os.getpid(), **state}, self._file)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.truncate(0)
        self._file.close()

    @staticmethod
    def stop_holder(folder: Path) -> bool:
        """Ask the holder to end, and wait until it has; False when there is none.

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
    """What the holder of the folder wrote down; None when nobody holds it.

    Its ``state`` is ``starting`` or ``up``, its ``pid`` the holder's.

    Raises:
        ProgramError: when the folder cannot be looked into.
    """
    try:
        with (folder / "state.json").open(encoding="utf-8") as file:
            deadline = time.monotonic() + MOMENT_SECONDS
            while not _locked(file, fcntl.LOCK_SH):
                file.seek(0)
                try:
                    state: dict[str, Any] = json.load(file)
                except ValueError:  # it is being written
                    if time.monotonic() > deadline:
                        raise ProgramError(f"{folder} is held by a process that does not say who it is.") from None
                    time.sleep(0.01)
                else:
                    return state
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(folder, error) from None
    return None


def _locked(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unusable(folder: Path, error: OSError) -> ProgramError:
    return ProgramError(f"{folder} cannot be the chain's folder ({error.strerror}): name another with --folder.")
