"""A command's output: sanitized text, and errors when the reader of a pipe has closed it."""

from __future__ import annotations

import os
import sys
from typing import Any

import rich.console

from client.sanitize import sanitized


class Console(rich.console.Console):
    """Rich's console, except that a broken pipe raises BrokenPipeError instead of ending the process."""

    def on_broken_pipe(self) -> None:
        """Leave the exit code to `client.commands.target.command`."""
        raise BrokenPipeError


def say(text: object, **print_options: Any) -> None:
    """Print a line, sanitized, and flush it."""
    print(sanitized(str(text)), flush=True, **print_options)


def note(text: object) -> None:
    """Print a line on standard error; standard output is for the answer, which may go into a pipe."""
    say(text, file=sys.stderr)


def discard_output() -> None:
    """Redirect a broken output to /dev/null, so that Python does not try to flush it again, and complain, at its exit.

    Source: https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
