"""From events to bytes: server-sent events that survive quiet spells, hang-ups and failures.

A run is pumped by a task of its own into a short queue that the response sends from; when nothing came for a
while, a comment line is sent in between, so that no idle limit on the way cuts the stream. When the caller hangs
up the task is cancelled, and with it whatever the agent is waiting for.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ag_ui.core import BaseEvent, EventType, RunErrorEvent
from starlette.responses import StreamingResponse
from starlette.types import Send

from agent.blocking import blocking_line
from agent.errors import AgentError, Code, RefusalError, classify
from agent.settings import Settings
from agent.telemetry import RunRecord, log_line

__all__ = ["EventStream", "RunStream", "encode"]

KEEP_ALIVE = b": keep-alive\n\n"
# Enough to never wait for the network between two words, too little to hide a reader that has stalled.
_QUEUED_EVENTS = 64
_TOKEN_EVENTS = {
    EventType.TEXT_MESSAGE_CONTENT,
    EventType.REASONING_MESSAGE_CONTENT,
    EventType.TOOL_CALL_START,
}

_UNICODE_LINE_ENDS = [(mark.encode(), b"\\u%04x" % ord(mark)) for mark in "\u0085\u2028\u2029"]

# asyncio holds tasks weakly: a pump whose response is gone must still run its cancellation to the end.
_pumps: set[asyncio.Task[None]] = set()


def encode(event: BaseEvent) -> bytes:
    """Return one server-sent event: a `data:` line with the event's JSON, stamped in Unix milliseconds."""
    event.timestamp = time.time_ns() // 1_000_000
    data = event.model_dump_json(by_alias=True).encode()
    # Legal in JSON and in the stream, but clients that split lines as Unicode does would cut the event in two.
    for raw, escaped in _UNICODE_LINE_ENDS:
        data = data.replace(raw, escaped)
    return b"data: %b\n\n" % data


class EventStream(StreamingResponse):
    """A response of server-sent events. Closes its source at once when the caller hangs up."""

    def __init__(self, body: AsyncGenerator[bytes, None], headers: dict[str, str]) -> None:
        super().__init__(
            body,
            media_type="text/event-stream",
            # no-transform: a proxy that compresses would collect the words into blocks first.
            headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", **headers},
        )
        self._body = body

    async def stream_response(self, send: Send) -> None:
        """Send the body. A hang-up during `send` must reach the generator now, not at garbage collection."""
        async with aclosing(self._body):
            await super().stream_response(send)


class RunStream:
    """The byte stream of one run, from its events.

    A failure anywhere becomes one RUN_ERROR event. One log line tells how the run ended.
    """

    def __init__(self, events: AsyncGenerator[BaseEvent, None], record: RunRecord, settings: Settings) -> None:
        self._events = events
        self._record = record
        self._settings = settings
        self._chunks: list[bytes] = []
        self._ended = False
        self._sent = 0.0  # the loop's time of the last chunk
        self._ready = asyncio.Event()
        self._room = asyncio.Event()

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes; each chunk is one or more whole events, or one keep-alive comment."""
        loop = asyncio.get_running_loop()
        pump = loop.create_task(self._pump(), name="run")
        _pumps.add(pump)
        pump.add_done_callback(_pumps.discard)
        beat = loop.create_task(self._beat(), name="heartbeat")
        self._sent = loop.time()
        try:
            while self._chunks or not self._ended:
                await self._ready.wait()
                # One turn of the loop: on a busy server, what is ready by then leaves in the same send, and a send is
                # the dearest step of an event's way.
                await asyncio.sleep(0)
                self._ready.clear()
                chunk = b"".join(self._chunks)
                self._chunks.clear()
                self._room.set()
                self._sent = loop.time()
                if chunk:
                    yield chunk
        finally:
            pump.cancel()
            beat.cancel()

    async def _beat(self) -> None:
        """Add a comment whenever nothing was sent for the interval: one timer for a run, not one for an event."""
        interval = self._settings.heartbeat_seconds
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._sent + interval - loop.time())
            if self._sent + interval <= loop.time():
                self._sent = loop.time()
                if not self._chunks:  # else a reader has stalled, who needs no more to read
                    self._chunks.append(KEEP_ALIVE)
                    self._ready.set()

    async def _pump(self) -> None:
        failure: BaseException | None = None
        try:
            with self._record.span():
                failure = await self._run()
        finally:
            self._ended = True
            self._ready.set()
            log_line(self._record.line(self._settings, failure))
            if blocking := blocking_line(failure):
                log_line(blocking)

    async def _run(self) -> BaseException | None:
        """Queue every event; return what went wrong, None for a completed or refused run."""
        limit = asyncio.timeout(self._settings.run_timeout_seconds)
        try:
            async with limit, aclosing(self._events) as events:
                async for event in events:
                    self._put(event)
                    if self._record.events == 1:
                        await asyncio.sleep(0)  # RUN_STARTED leaves before the agent is built
                    if len(self._chunks) >= _QUEUED_EVENTS:
                        self._room.clear()
                        await self._room.wait()
            self._record.outcome = "completed"
        except RefusalError as error:
            self._fail(error, "refused")
        # SystemExit, because an agent that calls exit() must not end the runs of others.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            self._fail(AgentError(Code.RUN_TIMEOUT) if limit.expired() else classify(error), "error")
            return error
        return None

    def _put(self, event: BaseEvent) -> None:
        self._record.saw(token=event.type in _TOKEN_EVENTS)
        self._chunks.append(encode(event))
        self._ready.set()

    def _fail(self, error: AgentError, outcome: str) -> None:
        self._record.outcome = outcome
        self._record.code = error.code
        self._record.reference = uuid.uuid4().hex[:12]
        self._put(RunErrorEvent(message=f"{error.message} (reference {self._record.reference})", code=error.code))
