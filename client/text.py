"""Words on a terminal or in a pipe, each as soon as it is here."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TextIO

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

from client.errors import AgentError, ClientError, CutError, RefusedError
from client.sanitize import harmless
from client.stream import Arrival

REFRESH_SECONDS = 0.03
"""Redrawing more often than this shows a person nothing and costs the machine."""


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

    A block that is complete is printed for good; only the last one, which still grows, is drawn anew. So an answer
    longer than the screen scrolls as any text does.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._parser = MarkdownIt().enable("strikethrough").enable("table")
        self._references: dict[str, Any] = {}
        self._tail = ""
        self._printed = False
        self._drawn = 0.0
        self._due: asyncio.TimerHandle | None = None
        self._reasoning = False

    def show(self, arrival: Arrival) -> None:
        """See `Display.show`."""
        if arrival.text:
            words = harmless(arrival.text)
            self._tail += words
            if "\n" in words:
                self._commit()
            self._draw_soon()
        elif (tool := tool_name(arrival.event)) is not None:
            self._flush()
            self._console.print(Text.assemble("calls ", (tool, "bold"), " …", style="dim"))
        elif arrival.event.get("type") == "REASONING_MESSAGE_START" and not self._reasoning:
            self._reasoning = True
            self._console.print(Text("thinks …", style="dim"))

    def end(self) -> None:
        """See `Display.end`."""
        self._flush()

    def _commit(self) -> None:
        """Print the blocks that can no longer change: all but the last of those that whole lines make."""
        whole = self._tail[: self._tail.rindex("\n") + 1]
        tokens, references = self._parse(whole)
        blocks = _top_level(tokens)
        if blocks and whole.endswith("\n\n") and _is_ended_by_a_blank_line(blocks[-1]):
            settled, cut = blocks, whole.count("\n")
        elif len(blocks) > 1 and (lines := blocks[-1][0].map):
            settled, cut = blocks[:-1], lines[0]
        else:
            return
        self._references |= {name: one for name, one in references.items() if one["map"][0] < cut}
        self._tail = self._tail[len("\n".join(whole.split("\n")[:cut])) + 1 :]
        if self._live is not None:
            self._live.update(self._growing())
        self._print(settled)

    def _parse(self, text: str) -> tuple[list[Token], dict[str, Any]]:
        """The blocks of a text, and the link references that it and all before it define."""
        environment = {"references": {**self._references}}
        return self._parser.parse(text, environment), environment["references"]

    def _print(self, blocks: Sequence[Sequence[Token]]) -> None:
        self._console.print(_Blocks(blocks, after_others=self._printed))
        self._printed = True

    def _growing(self) -> _Blocks:
        return _Blocks(_top_level(self._parse(self._tail)[0]), after_others=self._printed, end_only=True)

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
        if self._live is None:
            # Never one that was stopped: it would erase as many lines as it had then.
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(self._growing(), refresh=True)
        self._drawn = time.monotonic()

    def _flush(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._tail.strip():
            tokens, self._references = self._parse(self._tail)
            self._print(_top_level(tokens))
        self._tail = ""


def _is_ended_by_a_blank_line(block: Sequence[Token]) -> bool:
    """Whether what comes later changes nothing in a block: not so a list, a quotation, code, or a link's reference."""
    if block[0].type not in ("paragraph_open", "heading_open", "table_open", "hr"):
        return False
    return not any("[" in child.content for token in block for child in token.children or () if child.type == "text")


def _top_level(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens of each block of a document."""
    blocks: list[list[Token]] = [[]]
    for token in tokens:
        blocks[-1].append(token)
        if token.level == 0 and token.nesting <= 0:
            blocks.append([])
    return blocks[:-1]


class _Blocks:
    """Blocks of Markdown, parted by blank lines.

    Args:
        blocks: what the parser made of each.
        after_others: whether a blank line parts them from what is there.
        end_only: show no more than fits on the screen, from the end.
    """

    def __init__(self, blocks: Sequence[Sequence[Token]], *, after_others: bool, end_only: bool = False) -> None:
        self._blocks = blocks
        self._after_others = after_others
        self._end_only = end_only

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        # A terminal writes ^C where the cursor is, and were there no room the drawing would begin a line too low.
        room = options.update(width=max(1, options.max_width - len("^C")))
        lines: list[list[Segment]] = []
        for block in self._blocks:
            drawn = _drawn(block, console, room)
            if drawn and (lines or self._after_others):
                lines.append([])
            lines += drawn
        if self._end_only:
            lines = lines[-max(1, console.height - 2) :]
        for line in lines:
            yield from line
            yield Segment.line()


def _drawn(block: Sequence[Token], console: Console, options: ConsoleOptions) -> list[list[Segment]]:
    """One block's lines."""
    # A link's address is shown rather than hidden behind its words: it is the model's choice where it leads.
    markdown = Markdown("", hyperlinks=False)
    markdown.parsed = [*block]
    lines = [
        # Cleaned once more, for the parser makes characters of what is written as `&#27;`.
        [Segment(harmless(text), style, control) for text, style, control in line]
        for line in console.render_lines(markdown, options, pad=False)
    ]
    while lines and not any(text.strip() or (style and style.bgcolor) for text, style, _ in lines[0]):
        del lines[0]  # Rich begins some blocks with a blank line of its own, by what they hold
    return lines


def tool_name(event: dict[str, Any]) -> str | None:
    """The name of the tool whose call begins with this event; None for any other event."""
    return harmless(str(event.get("toolCallName"))) if event.get("type") == "TOOL_CALL_START" else None


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
