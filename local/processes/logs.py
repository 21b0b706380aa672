"""The logs of a local run, as they are and as they grow, and what of the agent's is news to whoever watches."""

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
"""The files of each log, below the folder ``logs``; where sessions have agents of their own, the agent has several."""

POLL_SECONDS = 0.1

_PLACE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_FAILURE = re.compile(r"(\w+\.)*\w*(Error|Exception|Interrupt|Exit)(: .*)?$")


class Line(NamedTuple):
    """A line of a log, and the name of its file without the ending."""

    log: str
    text: str


class Logs:
    """Reads logs as they grow.

    Args:
        folder: the local run's.
        names: which logs, as in `FILES`.
        from_now: leave out what is there already.
    """

    def __init__(self, folder: Path, names: Sequence[str], *, from_now: bool = False) -> None:
        self._folder = folder / "logs"
        self._patterns = [FILES[name] for name in names]
        self._read: dict[Path, int] = {}
        if from_now:
            self._read = {path: path.stat().st_size for path in self._paths()}

    def new(self) -> Iterator[Line]:
        """Every whole line that has come since the last call. A file that has become shorter is read anew."""
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
        """Every whole line, as it comes, for ever."""
        while True:
            yield from self.new()
            time.sleep(POLL_SECONDS)

    def _paths(self) -> list[Path]:
        return sorted({path for pattern in self._patterns for path in self._folder.glob(pattern)})


def news(line: Line) -> str | None:
    """What a line of the agent's log tells whoever develops it: a warning or an error, and where it is from."""
    try:
        told = json.loads(line.text)
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("level") not in ("ERROR", "WARNING"):
        return None
    trace = told.get("stackTrace")
    if not isinstance(trace, str):
        parts = [told.get("message"), told.get("code")] if told.get("message") == "run" else [told.get("message")]
        return f"{line.log}: {': '.join(str(part) for part in parts if part)}"
    return f"{line.log}: {failure(trace.splitlines())}{_run_of(told)}"


def failure(lines: Sequence[str]) -> str:
    """The last error of a traceback in one line, and the place in the project's own sources that is next to it."""
    text = next((line.strip() for line in reversed(lines) if _FAILURE.match(line.strip())), "")
    if not text:
        return lines[-1].strip() if lines else ""
    places = [found for line in lines if (found := _PLACE.search(line))]
    own = [place for place in places if Path(place["file"]).is_relative_to(ROOT) and "/.venv/" not in place["file"]]
    if not places:
        return text
    place = (own or places)[-1]
    file = Path(place["file"])
    return f"{text} ({file.relative_to(ROOT) if file.is_relative_to(ROOT) else file}, line {place['line']})"


def _run_of(told: Mapping[str, Any]) -> str:
    reference = told.get("reference")
    return f" [reference {reference}]" if reference else ""
