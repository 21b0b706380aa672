"""An answer as Markdown on a terminal, drawn while it grows."""

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
from client.sanitize import harmless

REFRESH_SECONDS = 0.03
"""Redrawing more often than this shows a person nothing and costs the machine."""

SILENT_SECONDS = 1.0
"""After this, and every so often, a silence is given a sign of life."""


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
        self._narration = Narration()
        self._heard = time.monotonic()
        self._watch: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """See `Display.begin`."""
        self._heard = time.monotonic()
        self._watch = asyncio.get_running_loop().call_later(SILENT_SECONDS, self._give_sign)

    def show(self, arrival: Arrival) -> None:
        """See `Display.show`."""
        self._heard = time.monotonic()
        line = self._narration.take(arrival)
        if arrival.text:
            words = harmless(arrival.text)
            self._tail += words
            if "\n" in words:
                self._commit()
            self._draw_soon()
        elif line is not None:
            self._flush()
            self._console.print(Text(line, style="dim"))

    def take_whole(self, text: str) -> None:
        """Print a text that is all there, for good."""
        self._tail = harmless(text)
        self._flush()

    def end(self) -> None:
        """See `Display.end`."""
        if self._watch is not None:
            self._watch.cancel()
        self._flush()
        if self._watch is not None and (why := self._narration.slowness()):
            self._console.print(Text(f"[{why}]", style="dim"))

    def _give_sign(self) -> None:
        """In silence, say what is being waited for, and for how long."""
        self._watch = asyncio.get_running_loop().call_later(SILENT_SECONDS, self._give_sign)
        if time.monotonic() - self._heard >= SILENT_SECONDS:
            self._draw()

    def _sign(self) -> str:
        silent = time.monotonic() - self._heard
        if self._watch is None or silent < SILENT_SECONDS:
            return ""
        return f"… {self._narration.doing or 'goes on'}, {silent:.0f} s"

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
        blocks = _top_level(self._parse(self._tail)[0])
        return _Blocks(blocks, after_others=self._printed, end_only=True, sign=self._sign())

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
        sign: a line below them that says what is waited for; empty for none.
    """

    def __init__(
        self, blocks: Sequence[Sequence[Token]], *, after_others: bool, end_only: bool = False, sign: str = ""
    ) -> None:
        self._blocks = blocks
        self._after_others = after_others
        self._end_only = end_only
        self._sign = sign

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        # A terminal writes ^C where the cursor is, and were there no room the drawing would begin a line too low.
        room = options.update(width=max(1, options.max_width - len("^C")))
        lines: list[list[Segment]] = []
        for block in self._blocks:
            drawn = _drawn(block, console, room)
            if drawn and (lines or self._after_others):
                lines.append([])
            lines += drawn
        if self._sign:
            sign = Text(self._sign, style="dim")
            sign.truncate(room.max_width, overflow="ellipsis")
            lines += console.render_lines(sign, room, pad=False)
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


def printed_whole(console: Console, text: str) -> None:
    """Print a text that is all there."""
    shown = MarkdownDisplay(console)
    shown.take_whole(text)
