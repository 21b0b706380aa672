"""Reads and follows the logs of a local run, and finds the warnings and errors in the agent's."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from local import ROOT

FILES: Mapping[str, str] = {
    "agent": "agent*.log",
    "gateway": "gateway.log",
    "runtime": "runtime.log",
    "access": "access.log",
    "emulator": "emulator.log",
}
"""The files of each log, below the folder ``logs``; with one agent process per session, the agent has several."""

POLL_SECONDS = 0.1

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_ERROR = re.compile(r"(\w+\.)*\w*(Error|Exception|Interrupt|Exit)(: .*)?$")


class Line(NamedTuple):
    """A line of a log, and the name of its file without the ending."""

    log: str
    text: str


class Logs:
    """Reads logs as they grow.

    Args:
        folder: the local run's.
        names: which logs, as in `FILES`.
        from_now: skip the lines that are there already.
    """

    def __init__(self, folder: Path, names: Sequence[str], *, from_now: bool = False) -> None:
        self._folder = folder / "logs"
        self._patterns = [FILES[name] for name in names]
        self._read: dict[Path, int] = {}
        if from_now:
            self._read = {path: path.stat().st_size for path in self._paths()}

    def new(self) -> Iterator[Line]:
        """Every complete line that was added since the last call. A file that was truncated is read from its start."""
        for path in self._paths():
            try:
                with path.open("rb") as file:
                    size = file.seek(0, 2)
                    file.seek(start := min(self._read.get(path, 0), size) if size >= self._read.get(path, 0) else 0)
                    whole, found, _ = file.read().rpartition(b"\n")
            except FileNotFoundError:
                continue
            self._read[path] = start + len(whole) + len(found)
            if found:
                yield from (Line(path.stem, text) for text in whole.decode("utf-8", "replace").split("\n"))

    def follow(self) -> Iterator[Line]:
        """Yield every complete line as it is written; never ends."""
        while True:
            yield from self.new()
            time.sleep(POLL_SECONDS)

    def _paths(self) -> list[Path]:
        return sorted({path for pattern in self._patterns for path in self._folder.glob(pattern)})


def warning_or_error(line: Line) -> str | None:
    """The warning or error in a line of the agent's log, with the source line that raised it; None without one."""
    try:
        record = json.loads(line.text)
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("level") not in ("ERROR", "WARNING"):
        return None
    trace = record.get("stackTrace")
    if not isinstance(trace, str):
        message = record.get("message")
        parts = [message, record.get("code")] if message == "run" else [message]
        return f"{line.log}: {': '.join(str(part) for part in parts if part)}"
    return f"{line.log}: {last_error(trace.splitlines())}{_reference(record)}"


def last_error(lines: Sequence[str]) -> str:
    """The last error of a traceback in one line, with its innermost frame in the project's own sources.

    Without a traceback, the last of the lines.
    """
    text = next((line.strip() for line in reversed(lines) if _ERROR.match(line.strip())), "")
    if not text:
        return lines[-1].strip() if lines else ""
    frames = [found for line in lines if (found := _FRAME.search(line))]
    own = [frame for frame in frames if Path(frame["file"]).is_relative_to(ROOT) and "/.venv/" not in frame["file"]]
    if not frames:
        return text
    frame = (own or frames)[-1]
    file = Path(frame["file"])
    return f"{text} ({file.relative_to(ROOT) if file.is_relative_to(ROOT) else file}, line {frame['line']})"


def _reference(record: Mapping[str, Any]) -> str:
    reference = record.get("reference")
    return f" [reference {reference}]" if reference else ""
