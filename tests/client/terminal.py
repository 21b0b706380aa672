"""A command of the client's on a pseudo-terminal, and the screen that a person would see, drawn by pyte."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pyte

from local import ROOT
from tests.client.variants import Base, environment_of
from tests.e2e.conftest import PATIENCE

LINES = 24
KEPT_LINES = 10_000


class Terminal:
    """``python -m client`` on a pseudo-terminal.

    Args:
        base: the chain whose outputs it is given; or the file of outputs itself.
        folder: keeps what it stores.
        arguments: after ``python -m client``.
        columns: the terminal's width.
    """

    def __init__(self, base: Base | Path, folder: Path, *arguments: str, columns: int = 120) -> None:
        self._here, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
        outputs = base if isinstance(base, Path) else base.folder / "outputs.json"
        argv = [sys.executable, "-m", "client", *arguments, "--outputs", str(outputs)]
        environment = {**environment_of(folder), "TERM": "xterm", "PYTHONUNBUFFERED": "1"}
        del environment["COLUMNS"]  # the terminal says it
        self.process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=environment,
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
            preexec_fn=lambda: _own_terminal(there),  # noqa: PLW1509 - nothing else runs in this process
        )
        os.close(there)
        self.text = ""
        self._screen = pyte.HistoryScreen(columns, LINES, history=KEPT_LINES, ratio=1)
        self._stream = pyte.ByteStream(self._screen)

    def enter(self, text: str) -> None:
        os.write(self._here, text.encode())

    def until(self, wanted: str) -> str:
        """Read until something is written; what was written up to then."""
        self._read_until(lambda: wanted in self.text, wanted)
        before, _, self.text = self.text.partition(wanted)
        return before

    def until_shown(self, wanted: str) -> None:
        """Read until something stands on the screen, in whatever lines."""
        self._read_until(lambda: wanted in self.shown(), wanted)

    def until_it_ends(self) -> int:
        """Read all of it; the exit code."""
        self._read_until(lambda: False, "")
        return self.process.wait(PATIENCE)

    def lines(self) -> list[str]:
        """What a person sees, with what has scrolled away."""
        rows = [*self._screen.history.top, *(self._screen.buffer[row] for row in range(LINES))]
        return ["".join(row[column].data for column in range(self._screen.columns)).rstrip() for row in rows]

    def shown(self) -> str:
        """All that, without its spaces and line ends: how it is wrapped is of no account."""
        return squeezed("".join(self.lines()))

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._here)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def _read_until(self, condition: Callable[[], bool], wanted: str) -> None:
        """Read until the condition holds, or to the end where nothing is wanted."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"never shown: {wanted!r}, but {self.lines()}"
            if not select.select([self._here], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self._here, 65536)
            except OSError:  # EIO: whoever held the other end has left
                assert not wanted or condition(), f"never shown: {wanted!r}, but {self.lines()}"
                return
            self.text += data.decode(errors="replace")
            self._stream.feed(data)


def squeezed(text: str) -> str:
    """A text without its spaces and line ends."""
    return "".join(text.split())


def _own_terminal(there: int) -> None:
    fcntl.ioctl(there, termios.TIOCSCTTY, 0)
