"""Renders an answer as Markdown on a terminal while it streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

from client.exchange import Arrival
from client.narration import Narration
from client.sanitize import sanitized

REFRESH_SECONDS = 0.03
"""The shortest time between two redraws: more frequent ones cost CPU and are not visible."""

SILENT_SECONDS = 1.0
"""After this much silence, a status line is shown, and updated at the same interval."""


class MarkdownDisplay:
    """Shows the answer as Markdown on a terminal.

    A complete block is printed once; only the last block, which still grows, is redrawn. So an answer longer than the
    screen scrolls like any other output.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._parser = MarkdownIt().enable("strikethrough").enable("table")
        self._references: dict[str, Any] = {}
        self._tail = ""
        self._printed = False
        self._drawn = 0.0
        self._redraw_timer: asyncio.TimerHandle | None = None
        self._narration = Narration()
        self._last_arrival = time.monotonic()
        self._silence_timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """See `Display.begin`."""
        self._last_arrival = time.monotonic()
        self._silence_timer = asyncio.get_running_loop().call_later(SILENT_SECONDS, self._show_status)

    def show(self, arrival: Arrival) -> None:
        """See `Display.show`."""
        self._last_arrival = time.monotonic()
        line = self._narration.take(arrival)
        if arrival.text:
            words = sanitized(arrival.text)
            self._tail += words
            if "\n" in words:
                self._commit()
            self._draw_soon()
        elif line is not None:
            self._flush()
            self._console.print(Text(line, style="dim"))

    def print_complete(self, text: str) -> None:
        """Print a complete text."""
        self._tail = sanitized(text)
        self._flush()

    def end(self) -> None:
        """See `Display.end`."""
        if self._silence_timer is not None:
            self._silence_timer.cancel()
        self._flush()
        if self._silence_timer is not None and (why := self._narration.slowness()):
            self._console.print(Text(f"[{why}]", style="dim"))

    def _show_status(self) -> None:
        """While nothing arrives, show the agent's activity and the time since the last event."""
        self._silence_timer = asyncio.get_running_loop().call_later(SILENT_SECONDS, self._show_status)
        if time.monotonic() - self._last_arrival >= SILENT_SECONDS:
            self._draw()

    def _status(self) -> str:
        silent = time.monotonic() - self._last_arrival
        if self._silence_timer is None or silent < SILENT_SECONDS:
            return ""
        return f"… {self._narration.activity or 'goes on'}, {silent:.0f} s"

    def _commit(self) -> None:
        """Print the blocks that can no longer change: those in complete lines, usually without the last one."""
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
        """Return the tokens of a text, and the link references defined in it and before it."""
        environment = {"references": {**self._references}}
        return self._parser.parse(text, environment), environment["references"]

    def _print(self, blocks: Sequence[Sequence[Token]]) -> None:
        self._console.print(_Blocks(blocks, after_others=self._printed))
        self._printed = True

    def _growing(self) -> _Blocks:
        blocks = _top_level(self._parse(self._tail)[0])
        return _Blocks(blocks, after_others=self._printed, end_only=True, status=self._status())

    def _draw_soon(self) -> None:
        wait = self._drawn + REFRESH_SECONDS - time.monotonic()
        if wait <= 0:
            self._draw()
        elif self._redraw_timer is None:
            self._redraw_timer = asyncio.get_running_loop().call_later(wait, self._draw)

    def _draw(self) -> None:
        if self._redraw_timer is not None:
            self._redraw_timer.cancel()
            self._redraw_timer = None
        if self._live is None:
            # A new object each time: a stopped one would erase as many lines as it had last drawn.
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(self._growing(), refresh=True)
        self._drawn = time.monotonic()

    def _flush(self) -> None:
        if self._redraw_timer is not None:
            self._redraw_timer.cancel()
            self._redraw_timer = None
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._tail.strip():
            tokens, self._references = self._parse(self._tail)
            self._print(_top_level(tokens))
        self._tail = ""


def _is_ended_by_a_blank_line(block: Sequence[Token]) -> bool:
    """Whether later text cannot change a block, unlike a list, a quotation, code, or a possible link reference."""
    if block[0].type not in ("paragraph_open", "heading_open", "table_open", "hr"):
        return False
    return not any("[" in child.content for token in block for child in token.children or () if child.type == "text")


def _top_level(tokens: Sequence[Token]) -> list[list[Token]]:
    """Return the tokens of each top-level block."""
    blocks: list[list[Token]] = [[]]
    for token in tokens:
        blocks[-1].append(token)
        if token.level == 0 and token.nesting <= 0:
            blocks.append([])
    return blocks[:-1]


class _Blocks:
    """Blocks of Markdown, separated by blank lines.

    Args:
        blocks: the tokens of each block.
        after_others: whether to put a blank line before the first block.
        end_only: show only the end that fits on the screen.
        status: a status line below the blocks; empty for none.
    """

    def __init__(
        self, blocks: Sequence[Sequence[Token]], *, after_others: bool, end_only: bool = False, status: str = ""
    ) -> None:
        self._blocks = blocks
        self._after_others = after_others
        self._end_only = end_only
        self._status = status

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        # On Ctrl-C the terminal echoes ^C at the cursor; without room for it, the next redraw would be a line too low.
        room = options.update(width=max(1, options.max_width - len("^C")))
        lines: list[list[Segment]] = []
        for block in self._blocks:
            drawn = _drawn(block, console, room)
            if drawn and (lines or self._after_others):
                lines.append([])
            lines += drawn
        if self._status:
            status = Text(self._status, style="dim")
            status.truncate(room.max_width, overflow="ellipsis")
            lines += console.render_lines(status, room, pad=False)
        if self._end_only:
            lines = lines[-max(1, console.height - 2) :]
        for line in lines:
            yield from line
            yield Segment.line()


def _drawn(block: Sequence[Token], console: Console, options: ConsoleOptions) -> list[list[Segment]]:
    """Render one block as lines."""
    # Show the address of a link instead of a terminal hyperlink: the model chose it, so the user should see it.
    markdown = Markdown("", hyperlinks=False)
    markdown.parsed = [*block]
    lines = [
        # Sanitized again, because the parser decodes entities such as `&#27;`.
        [Segment(sanitized(text), style, control) for text, style, control in line]
        for line in console.render_lines(markdown, options, pad=False)
    ]
    while lines and not any(text.strip() or (style and style.bgcolor) for text, style, _ in lines[0]):
        del lines[0]  # Rich begins some kinds of blocks with a blank line
    return lines


def print_markdown(console: Console, text: str) -> None:
    """Print a complete text as Markdown."""
    shown = MarkdownDisplay(console)
    shown.print_complete(text)
