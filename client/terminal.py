"""Where a command's output goes: what others say is cleaned, and a reader who leaves ends the command."""

from __future__ import annotations

import os
import sys
from typing import Any

import rich.console

from client.sanitize import harmless


class Console(rich.console.Console):
    """Rich's console, except that a broken pipe is the command's to end, and not the library's."""

    def on_broken_pipe(self) -> None:
        """Let the one place that knows the exit codes see it."""
        raise BrokenPipeError


def say(text: object, **print_options: Any) -> None:
    """Print a line at once, whoever its words are from."""
    print(harmless(str(text)), flush=True, **print_options)


def note(text: object) -> None:
    """Print a line on standard error, beside an answer that may go into a pipe."""
    say(text, file=sys.stderr)


def abandon_output() -> None:
    """Send what could not be written nowhere, so that Python does not try, and complain, once more at its exit.

    Source: https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
