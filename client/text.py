"""Words on a terminal or in a pipe, each as soon as it is here."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from typing import Any, Protocol, TextIO

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

from client.errors import AgentError, ClientError, CutError, RefusedError
from client.stream import Arrival

REFRESH_SECONDS = 0.03
"""Redrawing more often than this shows a person nothing and costs the machine."""

# What a model writes is shown, never obeyed: no escape sequence of its may reach the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_FENCE = re.compile(r"^ {0,3}(```|~~~)", re.MULTILINE)


def harmless(text: str) -> str:
    """The text without control characters and without marks that reverse the direction of writing."""
    return _CONTROL.sub("", text)


class Display(Protocol):
    """Shows the events of one answer."""

    def show(self, arrival: Arrival) -> None:
        """Show one event, at once."""
        ...

    def end(self) -> None:
        """The answer is over, however it ended."""
        ...


class PlainDisplay:
    """The words as text, for a pipe; tool calls go to standard error."""

    def __init__(self, out: TextIO | None = None, notes: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._notes = notes or sys.stderr
        self._open = False

    def show(self, arrival: Arrival) -> None:
        """See `Display.show`."""
        if arrival.text:
            self._out.write(harmless(arrival.text))
            self._out.flush()
            self._open = True
        elif (tool := tool_name(arrival.event)) is not None:
            print(f"[{tool}]", file=self._notes, flush=True)

    def end(self) -> None:
        """See `Display.end`."""
        if self._open:
            print(file=self._out, flush=True)


class JsonDisplay:
    """The events as they came, one JSON object a line."""

    def show(self, arrival: Arrival) -> None:
        """See `Display.show`."""
        print(json.dumps(arrival.event), flush=True)

    def end(self) -> None:
        """See `Display.end`."""


class MarkdownDisplay:
    """The answer as Markdown on a terminal.

    A paragraph that is complete is printed for good; only the last one, which still grows, is drawn anew. So an
    answer longer than the screen scrolls as any text does.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._tail = ""
        self._drawn = 0.0
        self._due: asyncio.TimerHandle | None = None
        self._reasoning = False

    def show(self, arrival: Arrival) -> None:
        """See `Display.show`."""
        if arrival.text:
            self._tail += harmless(arrival.text)
            self._commit()
            self._draw_soon()
        elif (tool := tool_name(arrival.event)) is not None:
            self._flush()
            self._console.print(f"[dim]calls [bold]{harmless(tool)}[/bold] …[/dim]")
        elif arrival.event.get("type") == "REASONING_MESSAGE_START" and not self._reasoning:
            self._reasoning = True
            self._console.print("[dim]thinks …[/dim]")

    def end(self) -> None:
        """See `Display.end`."""
        self._flush()

    def _commit(self) -> None:
        """Print the paragraphs that can no longer change."""
        cut = _settled(self._tail)
        if cut:
            done, self._tail = self._tail[:cut], self._tail[cut:]
            self._live.update(_Tail(self._tail))
            self._console.print(Markdown(done))

    def _draw_soon(self) -> None:
        wait = self._drawn + REFRESH_SECONDS - time.monotonic()
        if wait <= 0:
            self._draw()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(wait, self._draw)

    def _draw(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._live.start()
        self._live.update(_Tail(self._tail), refresh=True)
        self._drawn = time.monotonic()

    def _flush(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._live.stop()
        if self._tail.strip():
            self._console.print(Markdown(self._tail))
        self._tail = ""


class _Tail:
    """A paragraph that still grows; of one that is taller than the screen, its end."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        lines = console.render_lines(Markdown(self._text), options, pad=False)
        for line in lines[-max(1, console.height - 2) :]:
            yield from line
            yield Segment.line()


def _settled(text: str) -> int:
    """Where the last complete paragraph ends; 0 when none has. A blank line inside a code fence ends nothing."""
    end = text.rfind("\n\n")
    while end >= 0:
        if len(_FENCE.findall(text[: end + 1])) % 2 == 0:
            return end + 2
        end = text.rfind("\n\n", 0, end)
    return 0


def tool_name(event: dict[str, Any]) -> str | None:
    """The name of the tool whose call begins with this event; None for any other event."""
    return str(event.get("toolCallName")) if event.get("type") == "TOOL_CALL_START" else None


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
