"""What an agent does besides talking, in a line each: tool calls with their arguments and results, and thinking."""

from __future__ import annotations

from typing import Any

from client.exchange import Arrival
from client.sanitize import harmless

SHOWN = 300
"""Characters of arguments or of a result that are shown; `--json` has all of them."""

KEPT = 10_000


class Narration:
    """Follows one answer.

    Attributes:
        doing: what is going on at the moment, for a sign of life; empty while text comes.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._arguments: dict[str, str] = {}
        self._thinking_since: float | None = None
        self._thought = 0
        self._began: float | None = None
        self._first: float | None = None
        self.doing = "waits for the agent"

    def take(self, arrival: Arrival) -> str | None:
        """The line that an event completes; None when it completes none."""
        event, type_ = arrival.event, arrival.event["type"]
        if type_ == "RUN_STARTED":
            self._began = arrival.seconds
            self.doing = "waits for the model"
        elif type_.startswith("TEXT_MESSAGE_"):
            self.doing = ""
            self._first = arrival.seconds if self._first is None and arrival.text else self._first
        elif type_.startswith("TOOL_CALL_"):
            return self._tool(event, type_)
        elif type_.startswith("REASONING_"):
            return self._reasoning(event, type_, arrival.seconds)
        return None

    def slowness(self) -> str | None:
        """Why the first word took long; None when it did not."""
        if self._first is None or self._began is None or self._first < 2:
            return None
        model = self._first - self._began
        reason = " (a new session starts a microVM)" if self._began > model else ""
        return (
            f"first word after {self._first:.1f} s: {self._began:.1f} s until the agent began{reason}, {model:.1f} s "
            "until it spoke"
        )

    def _tool(self, event: dict[str, Any], type_: str) -> str | None:
        call = str(event.get("toolCallId"))
        if type_ == "TOOL_CALL_START":
            self._names[call] = _line(event.get("toolCallName"))
            self.doing = f"calls {self._names[call]}"
        elif type_ == "TOOL_CALL_ARGS":
            self._arguments[call] = (self._arguments.get(call, "") + str(event.get("delta", "")))[:KEPT]
        elif type_ == "TOOL_CALL_END":
            arguments = _line(self._arguments.pop(call, ""))
            return f"calls {self._names.get(call, 'a tool')}{f' {arguments}' if arguments not in ('', '{}') else ''}"
        elif type_ == "TOOL_CALL_RESULT":
            self.doing = "waits for the model"
            return f"{self._names.get(call, 'a tool')} → {_line(event.get('content'))}"
        return None

    def _reasoning(self, event: dict[str, Any], type_: str, seconds: float) -> str | None:
        self.doing = "thinks"
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
    """What others say, as a part of one line."""
    line = " ".join(harmless(str(text)).split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
