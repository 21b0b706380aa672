"""The events of one run, numbered and encoded, for any number of readers, during the run and after it.

Events are stored as encoded bytes: as objects, an hour at a hundred events a second would take some hundred megabytes.
The size is bounded; the oldest events are dropped first, and a reader that needs one of them gets `GoneError`. A run
never waits for a reader.
"""

from __future__ import annotations

import asyncio
import time

import pydantic_core
from ag_ui.core import BaseEvent, ReasoningMessageContentEvent, TextMessageContentEvent, ToolCallArgsEvent

__all__ = ["MAX_EVENT_BYTES", "EventLog", "EventTooLargeError", "GoneError", "encode"]

MAX_RUN_BYTES = 64 * 2**20
MAX_EVENT_BYTES = 2**20
# The most that a reader that is far behind gets at once.
_CHUNK_BYTES = 262_144
# The memory that a list slot and a bytes object take beside the bytes themselves.
_OVERHEAD = 48

_DELTAS: dict[type[BaseEvent], tuple[str, str]] = {
    TextMessageContentEvent: ("message_id", "messageId"),
    ReasoningMessageContentEvent: ("message_id", "messageId"),
    ToolCallArgsEvent: ("tool_call_id", "toolCallId"),
}
_UNICODE_LINE_ENDS = [(mark.encode(), b"\\u%04x" % ord(mark)) for mark in "\u0085\u2028\u2029"]


class GoneError(Exception):
    """The requested events have been dropped from the log."""


class EventTooLargeError(Exception):
    """One event is larger than `MAX_EVENT_BYTES`."""


def encode(event: BaseEvent, event_id: str | None = None, *, most: int | None = MAX_EVENT_BYTES) -> bytes:
    """Return one server-sent event: an `id:` line if there is an id, and a `data:` line with the event's JSON.

    Sets the event's timestamp (Unix milliseconds). Raises EventTooLargeError when its JSON has more than `most` bytes.
    """
    event.timestamp = time.time_ns() // 1_000_000
    data = _delta_json(event) or event.model_dump_json(by_alias=True).encode()
    if not data.isascii():
        # Legal in JSON and in an event stream, but a client that splits at Unicode line ends would cut the event.
        for raw, escaped in _UNICODE_LINE_ENDS:
            data = data.replace(raw, escaped)
    if most is not None and len(data) > most:
        raise EventTooLargeError(f"a {event.type.value} event has {len(data)} bytes; the limit is {most}")
    return b"id: %b\ndata: %b\n\n" % (event_id.encode(), data) if event_id else b"data: %b\n\n" % data


def _delta_json(event: BaseEvent) -> bytes | None:
    """Return the JSON of a delta, None for any other event.

    Nearly all events are deltas, and AG-UI's serializer, which is written in Python, takes a third of the time for one.
    """
    id_name = _DELTAS.get(type(event))
    values = vars(event)
    if id_name is None or values.get("metadata") or values.get("raw_event") or values.get("subagent_run_id"):
        return None
    if event.model_extra:
        return None
    name, alias = id_name
    kind = event.type.value
    members = {"type": kind, "timestamp": event.timestamp, alias: values[name], "delta": values["delta"]}
    return pydantic_core.to_json(members)


class EventLog:
    """The encoded events of the run `run_id`, numbered from 1."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._events: list[bytes] = []
        self._dropped = 0  # number of dropped events
        self.size = 0  # bytes
        self.ended = False
        self._subscribers: set[asyncio.Event] = set()

    @property
    def last(self) -> int:
        """The number of the last event, 0 when there is none."""
        return self._dropped + len(self._events)

    def append(self, event: BaseEvent) -> int:
        """Add an event and wake the readers; return the bytes by which the log grew. Raises EventTooLargeError."""
        frame = encode(event, f"{self._run_id}:{self.last + 1}")
        before = self.size
        self._events.append(frame)
        self.size += len(frame) + _OVERHEAD
        if self.size > MAX_RUN_BYTES:
            self.drop(self.size - MAX_RUN_BYTES * 7 // 8)  # in batches: each drop moves the rest of the list
        self.wake()
        return self.size - before

    def drop(self, at_least: int) -> int:
        """Drop the oldest events, but never the last, until `at_least` bytes are freed; return the freed bytes."""
        freed = count = 0
        while freed < at_least and count < len(self._events) - 1:
            freed += len(self._events[count]) + _OVERHEAD
            count += 1
        del self._events[:count]
        self._dropped += count
        self.size -= freed
        return freed

    def end(self) -> None:
        """Mark the log as complete, and wake the readers."""
        self.ended = True
        self.wake()

    def since(self, number: int) -> tuple[bytes, int]:
        """Return the bytes of the next events after `number`, and the number of the last of them.

        Raises GoneError when the next event has been dropped.
        """
        first = number - self._dropped
        if first < 0:
            raise GoneError
        if first >= len(self._events):
            return b"", number
        if first == len(self._events) - 1:  # the common case: the reader keeps up
            return self._events[first], number + 1
        count = 0
        size = 0
        for frame in self._events[first : first + 256]:
            count += 1
            size += len(frame)
            if size >= _CHUNK_BYTES:
                break
        return b"".join(self._events[first : first + count]), number + count

    def subscribe(self, ready: asyncio.Event) -> None:
        """Set `ready` whenever there is a new event."""
        self._subscribers.add(ready)

    def unsubscribe(self, ready: asyncio.Event) -> None:
        """Stop setting `ready`."""
        self._subscribers.discard(ready)

    def wake(self) -> None:
        """Wake every reader."""
        for ready in self._subscribers:
            ready.set()
