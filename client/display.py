"""Prints an answer on a terminal or into a pipe, each event as soon as it arrives."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from rich.text import Text

from client.errors import AgentError, ClientError, CutError, RefusedError
from client.exchange import Arrival
from client.markdown import MarkdownDisplay, print_markdown
from client.narration import Narration
from client.sanitize import quoted, sanitized
from client.terminal import Console, say


class Display(Protocol):
    """Shows the events of one answer."""

    def begin(self) -> None:
        """Start before the question is sent; needs a running event loop."""
        ...

    def show(self, arrival: Arrival) -> None:
        """Show one event."""
        ...

    def end(self) -> None:
        """Finish, also after a failure."""
        ...


class PlainDisplay:
    """Prints the text for a pipe; tool calls and reasoning go to standard error."""

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
            self._out.write(sanitized(arrival.text))
            self._out.flush()
            self._open = True
        elif line is not None:
            print(f"[{line}]", file=self._notes, flush=True)

    def end(self) -> None:
        """See `Display.end`."""
        if self._open:
            print(file=self._out, flush=True)


class JsonDisplay:
    """Prints the events unchanged, one JSON object per line."""

    def begin(self) -> None:
        """See `Display.begin`."""

    def show(self, arrival: Arrival) -> None:
        """See `Display.show`."""
        print(json.dumps(arrival.event), flush=True)

    def end(self) -> None:
        """See `Display.end`."""


def display_for(*, as_json: bool) -> Display:
    """Return the display for this process's standard output."""
    if as_json:
        return JsonDisplay()
    console = Console()
    # On a dumb terminal, which cannot move the cursor, redrawing would show nothing until the end.
    return MarkdownDisplay(console) if console.is_terminal and not console.is_dumb_terminal else PlainDisplay()


def show_message(message: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one message of a stored conversation."""
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
            print_markdown(console, text)
        elif text:
            say(text)
    elif role == "user":
        console.print(Text(f"> {sanitized(text)}", style="bold"), soft_wrap=not console.is_terminal)
    elif text:
        console.print(Text(f"{quoted(role)}: {quoted(text)}", style="dim"), soft_wrap=not console.is_terminal)


def _text_of(content: object) -> str:
    """Return a message's text; of content parts, the text or the type of each."""
    if isinstance(content, list):
        parts = [one for one in content if isinstance(one, dict)]
        return "\n".join(str(one.get("text") or f"[{quoted(str(one.get('type')))}]") for one in parts)
    return "" if content is None else str(content)


def describe(error: ClientError) -> dict[str, Any]:
    """Return an error as a JSON object, which follows the events."""
    details: dict[str, Any] = {}
    if isinstance(error, RefusedError):
        details["status"] = error.status
    if isinstance(error, AgentError):
        details["code"] = error.code
    if isinstance(error, CutError) and error.limit:
        details["limit"] = error.limit
    return {"type": "CLIENT_ERROR", "error": type(error).__name__, "message": str(error), **details}
