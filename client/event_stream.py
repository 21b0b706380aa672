"""An event stream, decoded as it comes: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream.

Owns the format and its bounds, and no connection. Comments are kept, for a heartbeat is one; ``event`` and ``retry``
are not, since AG-UI uses neither. It is UTF-8 whatever the content type's parameters say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

LONGEST_EVENT = 16 * 1024 * 1024
"""Bytes. The agent ends a run at an event of 1 MiB; a snapshot of a whole conversation is longer."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r|\n")


class Message(NamedTuple):
    """One event of the stream.

    Attributes:
        data: its data lines, joined by line ends.
        id: the id that it carries; None when it has none of its own.
    """

    data: str
    id: str | None


class Comment(NamedTuple):
    """A line that begins with a colon: it says nothing, and breaks the silence."""


class EventTooLongError(Exception):
    """A line, or an event of many, is longer than anything that is kept in memory for a stranger."""


class Decoder:
    """Bytes in, as they arrive; messages and comments out, as soon as they are whole.

    What is not whole when the stream ends is no event, as the standard has it, so there is nothing to flush.

    Args:
        longest: bytes of an event, and of a line.
    """

    def __init__(self, longest: int = LONGEST_EVENT) -> None:
        self._longest = longest
        self._begun: list[bytes] = []  # joined once: a line may be long, and come in many pieces
        self._length = 0
        self._start: bytes | None = b""  # what may yet be a byte-order mark; None once that is settled
        self._skip_line_feed = False  # after a carriage return at the end of a chunk
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, chunk: bytes) -> Iterator[Message | Comment]:
        """What a further chunk makes whole.

        Raises:
            EventTooLongError: when the line or the event is longer than it may be.
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
        """The stream without a byte-order mark at its very beginning."""
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
            self._length = self._length if self._data else 0  # heartbeats do not add up to an event
            yield Comment()
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value

    def _dispatch(self) -> Iterator[Message]:
        data, id_ = self._data, self._id
        self._data, self._id = [], None
        # "If the data buffer is an empty string": there was no data line. One empty line of data is an event.
        if data:
            yield Message("\n".join(data), id_)
