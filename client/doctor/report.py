"""Prints the doctor's report, each result as soon as it is available."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table
from rich.text import Text

from client.doctor.check import Check, Result
from client.doctor.runner import AFTER_A_FINDING, NEEDS_SIGN_IN, exit_code
from client.sanitize import sanitized
from client.terminal import note

_SIGNS = {"pass": "[green]pass[/]", "fail": "[red bold]fail[/]", "inconclusive": "[yellow]?[/]", "skipped": "[dim]-[/]"}

_VERDICTS = {
    0: "All is well.",
    1: "Something is broken.",
    2: "Nothing broken was found, but not everything could be checked.",
}


class Outlet:
    """Standard output without write errors, so that a broken pipe or a full disk does not stop the checks.

    Args:
        stream: the stream; by default the current `sys.stdout`, because rich may later replace `sys.stdout` with a
            proxy that prints to this object.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def write(self, text: str) -> int:
        """Write the text; drop it if that fails."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._lost(error)
            return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lost(error)

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's file descriptor."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        """The stream's encoding."""
        return self._stream.encoding

    def _lost(self, error: OSError) -> None:
        if not isinstance(error, BrokenPipeError):
            note(f"The report cannot be written: {error.strerror}.")
        # Redirect to /dev/null, or Python's flush at exit would fail again and change the exit code.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


class Report:
    """Prints each result at once, or all of them as one JSON object at the end.

    Args:
        as_json: print one JSON object, always of the same shape.
        console: the console; by default on standard output.
    """

    def __init__(self, *, as_json: bool, console: Console | None = None) -> None:
        self._as_json = as_json
        self._outlet = Outlet()
        self._console = console or Console(file=self._outlet, highlight=False)  # type: ignore[arg-type] # all it uses
        self._shows_progress = self._console.is_terminal and not as_json
        self._status: Status | None = None
        self.results: list[Result] = []

    def starting(self, check: Check) -> None:
        """Show the running check on a terminal."""
        if not self._shows_progress:
            return
        question = Text(check.question)
        # Truncated to one line. A new Status each time, because a restarted one erases as many lines as it had before.
        question.truncate(max(1, self._console.width - len("⠋ ") - len("^C")), overflow="ellipsis")
        self._status = self._console.status(question)
        self._status.start()

    def done(self, result: Result) -> None:
        """Add a result, and print it."""
        self._stop_status()
        self.results.append(result)
        if not self._as_json and not _is_grouped(result):
            self._row(result.status, _lines(result))

    def end(self, code: int | None = None, message: str = "") -> int:
        """Print the summary, and return the exit code.

        Args:
            code: overrides the exit code that follows from the results.
            message: why not all checks were run.
        """
        self._stop_status()
        code = exit_code(self.results) if code is None else code
        if self._as_json:
            checks = [dataclasses.asdict(one) for one in self.results]
            self._outlet.write(json.dumps({"exitCode": code, "message": message, "checks": checks}) + "\n")
            self._outlet.flush()
            return code
        together = (
            ("skipped", AFTER_A_FINDING, "skipped, because an earlier layer is broken:"),
            ("inconclusive", NEEDS_SIGN_IN, "needs a sign-in, which failed:"),
        )
        for status, reason, text in together:
            names = [one.name for one in self.results if one.status == status and one.seen.startswith(reason)]
            if names:
                self._row(status, [f"[dim]{text}[/] {', '.join(names)}"])
        if message:
            note(message)
        else:
            seconds = sum(one.seconds for one in self.results)
            self._line(f"\n{_VERDICTS[code]} ({seconds:.1f} s)")
        return code

    def _stop_status(self) -> None:
        if self._status is not None:
            self._status.stop()
        self._status = None

    def _row(self, status: str, lines: Sequence[str]) -> None:
        if not self._console.is_terminal:
            # Not wrapped: the width is unknown, and a wrapped URL cannot be opened.
            first, *rest = lines
            self._line(f"{Text.from_markup(_SIGNS[status]).plain:<6}  {first}")
            for line in rest:
                self._line(f"        {line}")
            return
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, width=6)
        table.add_column(overflow="fold")
        table.add_row(_SIGNS[status], "\n".join(lines))
        self._console.print(table)

    def _line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _is_grouped(result: Result) -> bool:
    """Whether the summary reports this result together with others."""
    return result.seen.startswith(AFTER_A_FINDING) if result.status == "skipped" else result.seen == NEEDS_SIGN_IN


def _plain(text: str) -> str:
    """Remove escape sequences and escape rich's markup in text that may quote a server."""
    return escape(sanitized(text))


def _lines(result: Result) -> list[str]:
    """Return a result as lines: the check, the observation, and for a finding its reason and remedy."""
    if result.status == "skipped":
        return [f"[bold]{result.name}[/]  [dim]{_plain(result.seen)}[/]"]
    lines = [f"[bold]{result.name}[/]  {result.question}  [dim]{result.seconds:.1f} s[/]", _plain(result.seen)]
    lines += [f"[yellow]not checked:[/] {_plain(missing)}" for missing in result.not_checked]
    if result.proposal:
        lines.append(f"[cyan]proposal:[/] {_plain(result.proposal)}")
    if result.status == "fail":
        lines += [
            f"[bold]why it matters:[/] {_plain(result.why)}",
            f"[bold]what to change:[/] {_plain(result.change)}",
            f"[bold]read:[/] docs/troubleshooting.md#{result.name}",
            f"      {result.page}",
        ]
    return lines
