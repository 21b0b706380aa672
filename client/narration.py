"""Describes an agent's tool calls and reasoning, in one line each."""

from __future__ import annotations

from typing import Any

from client.exchange import Arrival
from client.sanitize import sanitized

SHOWN = 300
"""The most characters of arguments or of a result that are shown; `--json` prints all of them."""

KEPT = 10_000


class Narration:
    """Follows one answer.

    Attributes:
        activity: the agent's current activity, for the status line; empty while text arrives.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._arguments: dict[str, str] = {}
        self._thinking_since: float | None = None
        self._thought = 0
        self._began: float | None = None
        self._first: float | None = None
        self.activity = "waits for the agent"

    def take(self, arrival: Arrival) -> str | None:
        """Read an event; return the line that it completes, or None."""
        event, type_ = arrival.event, arrival.event["type"]
        if type_ == "RUN_STARTED":
            self._began = arrival.seconds
            self.activity = "waits for the model"
        elif type_.startswith("TEXT_MESSAGE_"):
            self.activity = ""
            self._first = arrival.seconds if self._first is None and arrival.text else self._first
        elif type_.startswith("TOOL_CALL_"):
            return self._tool(event, type_)
        elif type_.startswith("REASONING_"):
            return self._reasoning(event, type_, arrival.seconds)
        return None

    def slowness(self) -> str | None:
        """Return why the first word took more than two seconds; None when it did not."""
        if self._first is None or self._began is None or self._first < 2:
            return None
        model = self._first - self._began
        reason = " (a new session starts a microVM)" if self._began > model else ""
        return (
            f"first word after {self._first:.1f} s: {self._began:.1f} s until the run started{reason}, then "
            f"{model:.1f} s until the first text"
        )

    def _tool(self, event: dict[str, Any], type_: str) -> str | None:
        call = str(event.get("toolCallId"))
        if type_ == "TOOL_CALL_START":
            self._names[call] = _line(event.get("toolCallName"))
            self.activity = f"calls {self._names[call]}"
        elif type_ == "TOOL_CALL_ARGS":
            self._arguments[call] = (self._arguments.get(call, "") + str(event.get("delta", "")))[:KEPT]
        elif type_ == "TOOL_CALL_END":
            arguments = _line(self._arguments.pop(call, ""))
            return f"calls {self._names.get(call, 'a tool')}{f' {arguments}' if arguments not in ('', '{}') else ''}"
        elif type_ == "TOOL_CALL_RESULT":
            self.activity = "waits for the model"
            return f"{self._names.get(call, 'a tool')} → {_line(event.get('content'))}"
        return None

    def _reasoning(self, event: dict[str, Any], type_: str, seconds: float) -> str | None:
        self.activity = "thinks"
        if self._thinking_since is None:
            self._thinking_since = seconds
        if type_ == "REASONING_MESSAGE_CONTENT":
            self._thought += len(str(event.get("delta", "")))
        elif type_ == "REASONING_MESSAGE_END":
            took, length = seconds - self._thinking_since, self._thought
            self._thinking_since, self._thought = None, 0
            return f"thought for {took:.1f} s ({length} characters; --json has them)"
        return None


def _line(text: object) -> str:
    """Text of a model or a tool, sanitized, on one line and cut to `SHOWN` characters."""
    line = " ".join(sanitized(str(text)).split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
