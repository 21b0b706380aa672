"""Decodes an event stream: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream.

This module handles the format and its size limits, not the connection. Comments are yielded, because heartbeats are
comments; the fields ``event`` and ``retry`` are ignored, because AG-UI uses neither. The encoding is always UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

LONGEST_EVENT = 16 * 1024 * 1024
"""The most bytes of an event. The agent's own limit is 1 MiB, except for a snapshot of a whole conversation."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r|\n")


class Message(NamedTuple):
    """One event of the stream.

    Attributes:
        data: its data lines, joined by newlines.
        id: its id; None when it has none.
    """

    data: str
    id: str | None


class Comment(NamedTuple):
    """A line that begins with a colon; the agent's heartbeats are comments."""


class EventTooLongError(Exception):
    """A line or an event is longer than the limit, which bounds the memory that a server can use."""


class Decoder:
    """Turns chunks of bytes into messages and comments, each as soon as it is complete.

    An incomplete event at the end of the stream is discarded, as the standard requires, so there is no flush().

    Args:
        longest: the most bytes of an event, and of a line.
    """

    def __init__(self, longest: int = LONGEST_EVENT) -> None:
        self._longest = longest
        self._begun: list[bytes] = []  # pieces of the current line, joined once at its end
        self._length = 0
        self._start: bytes | None = b""  # the first bytes while they may be a byte-order mark; None after that
        self._skip_line_feed = False  # after a carriage return at the end of a chunk
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, chunk: bytes) -> Iterator[Message | Comment]:
        """Yield the messages and comments that a chunk completes.

        Raises:
            EventTooLongError: when a line or an event exceeds the limit.
        """
        chunk = self._without_mark(chunk)
        if not chunk:
            return
        if self._skip_line_feed:
            chunk = chunk.removeprefix(b"\n")
            self._skip_line_feed = False
        position = 0
        for end in _LINE_END.finditer(chunk):
            self._keep(chunk[position : end.start()])
            position = end.end()
            line, self._begun = b"".join(self._begun), []
            if line:
                yield from self._field(line.decode(errors="replace"))
            else:
                self._length = 0
                yield from self._dispatch()
        self._keep(chunk[position:])
        self._skip_line_feed = chunk.endswith(b"\r")

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._length += len(piece)
            if self._length > self._longest:
                raise EventTooLongError
            self._begun.append(piece)

    def _without_mark(self, chunk: bytes) -> bytes:
        """Remove a byte-order mark at the beginning of the stream."""
        if self._start is None:
            return chunk
        start = self._start + chunk
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BOM)

    def _field(self, line: str) -> Iterator[Comment]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not name:
            self._length = self._length if self._data else 0  # comments do not count towards an event's length
            yield Comment()
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value

    def _dispatch(self) -> Iterator[Message]:
        data, id_ = self._data, self._id
        self._data, self._id = [], None
        # "If the data buffer is an empty string" means no data line at all: one empty data line is an event.
        if data:
            yield Message("\n".join(data), id_)
