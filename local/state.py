"""Which process holds the chain up: a lock that dies with its holder, so a crash leaves nothing to clean by hand."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from local.graph import ProgramError

STOP_SECONDS = 15.0


class Claim:
    """The right to be the one chain of a folder, held while the process lives."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    def take(cls, folder: Path) -> Claim:
        """Claim the folder.

        Raises:
            ProgramError: when another process holds it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "state.json").open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise ProgramError("The local chain is up already: run `python -m local down` first.") from None
        file.truncate(0)
        return cls(file)

    def describe(self, state: Mapping[str, Any]) -> None:
        """Write down what is up, for `read_state`."""
        self._file.truncate(0)
        json.dump({"pid": os.getpid(), **state}, self._file)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.truncate(0)
        self._file.close()

    @staticmethod
    def stop_holder(folder: Path) -> None:
        """Ask the holder to end, and wait until it has.

        Raises:
            ProgramError: when it does not end.
        """
        state = read_state(folder)
        deadline = time.monotonic() + STOP_SECONDS
        if state is not None:
            os.kill(state["pid"], signal.SIGTERM)
        while read_state(folder) is not None:
            if time.monotonic() > deadline:
                raise ProgramError(f"Process {state and state['pid']} does not end: kill it by hand.")
            time.sleep(0.05)


def read_state(folder: Path) -> dict[str, Any] | None:
    """What the holder of the folder wrote down; None when nobody holds it, or it is still starting."""
    try:
        with (folder / "state.json").open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                state: dict[str, Any] | None = json.loads(file.read() or "null")
                return state
    except FileNotFoundError:
        return None
    return None
