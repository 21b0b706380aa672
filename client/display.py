"""Words on a terminal or in a pipe, each as soon as it is here."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from rich.text import Text

from client.errors import AgentError, ClientError, CutError, RefusedError
from client.exchange import Arrival
from client.markdown import MarkdownDisplay, printed_whole
from client.narration import Narration
from client.sanitize import harmless, quoted
from client.terminal import Console, say


class Display(Protocol):
    """Shows the events of one answer."""

    def begin(self) -> None:
        """The question is about to be asked, on a running loop."""
        ...

    def show(self, arrival: Arrival) -> None:
        """Show one event, at once."""
        ...

    def end(self) -> None:
        """The answer is over, however it ended."""
        ...


class PlainDisplay:
    """The words as text, for a pipe; what the agent does besides goes to standard error."""

    def __init__(self, out: TextIO | None = None, notes: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._notes = notes or sys.stderr
        self._narration = Narration()
        self._open = False

    def begin(self) -> None:
        """See `Display.begin`."""

    def show(self, arrival: Arrival) -> None:
        """See `Display.show`."""
        line = self._narration.take(arrival)
        if arrival.text:
            self._out.write(harmless(arrival.text))
            self._out.flush()
            self._open = True
        elif line is not None:
            print(f"[{line}]", file=self._notes, flush=True)

    def end(self) -> None:
        """See `Display.end`."""
        if self._open:
            print(file=self._out, flush=True)


class JsonDisplay:
    """The events as they came, one JSON object a line."""

    def begin(self) -> None:
        """See `Display.begin`."""

    def show(self, arrival: Arrival) -> None:
        """See `Display.show`."""
        print(json.dumps(arrival.event), flush=True)

    def end(self) -> None:
        """See `Display.end`."""


def display_for(*, as_json: bool) -> Display:
    """The display for this process's standard output."""
    if as_json:
        return JsonDisplay()
    console = Console()
    # A terminal that cannot move its cursor would show nothing until the end.
    return MarkdownDisplay(console) if console.is_terminal and not console.is_dumb_terminal else PlainDisplay()


def show_message(message: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one message of a conversation that was kept."""
    if as_json:
        print(json.dumps(message), flush=True)
        return
    role, text = str(message.get("role")), _text_of(message.get("content"))
    console = Console()
    if role == "assistant":
        for call in message.get("toolCalls") or ():
            function = call.get("function") if isinstance(call, dict) else None
            name = function.get("name") if isinstance(function, dict) else "a tool"
            console.print(Text(f"calls {quoted(str(name))}", style="dim"))
        if text and console.is_terminal:
            printed_whole(console, text)
        elif text:
            say(text)
    elif role == "user":
        console.print(Text(f"> {harmless(text)}", style="bold"), soft_wrap=not console.is_terminal)
    elif text:
        console.print(Text(f"{quoted(role)}: {quoted(text)}", style="dim"), soft_wrap=not console.is_terminal)


def _text_of(content: object) -> str:
    """A message's text, of parts the text of those that have some."""
    if isinstance(content, list):
        parts = [one for one in content if isinstance(one, dict)]
        return "\n".join(str(one.get("text") or f"[{quoted(str(one.get('type')))}]") for one in parts)
    return "" if content is None else str(content)


def describe(error: ClientError) -> dict[str, Any]:
    """An error as one more JSON line after the events."""
    details: dict[str, Any] = {}
    if isinstance(error, RefusedError):
        details["status"] = error.status
    if isinstance(error, AgentError):
        details["code"] = error.code
    if isinstance(error, CutError) and error.limit:
        details["limit"] = error.limit
    return {"type": "CLIENT_ERROR", "error": type(error).__name__, "message": str(error), **details}
