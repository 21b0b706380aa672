"""From events to bytes: server-sent events that survive quiet spells, hang-ups and failures.

A run is pumped by a task of its own into a short queue that the response sends from; when nothing came for a
while, a comment line is sent in between, so that no idle limit on the way cuts the stream. When the caller hangs
up, the run's time is over or the server stops, the task is cancelled, and with it whatever the agent is waiting for.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from ag_ui.core import BaseEvent, EventType, RunErrorEvent
from starlette.responses import StreamingResponse
from starlette.types import Send

from agent.errors import AgentError, Code, RefusalError, classify
from agent.settings import Settings
from agent.telemetry import RunRecord, log_line

__all__ = ["EventStream", "RunStream", "encode", "stop", "stopped"]

KEEP_ALIVE = b": keep-alive\n\n"
# Enough to never wait for the network between two words, too little to hide a reader that has stalled.
_QUEUED_EVENTS = 64
_QUEUED_BYTES = 262_144
# What an agent may take to clean up. Longer than the doctor waits after a hang-up, so that it finds one that runs on.
GRACE_SECONDS = 10.0
# What remains after SIGTERM is not documented for AgentCore; local runs and containers give 10 seconds or less.
_STOP_SECONDS = 2.0
_DEAF = (
    "the agent has not ended although it was cancelled; something in it catches asyncio.CancelledError "
    "(a bare except, or except BaseException) and must raise it again"
)
_TOKEN_EVENTS = {
    EventType.TEXT_MESSAGE_CONTENT,
    EventType.REASONING_MESSAGE_CONTENT,
    EventType.TOOL_CALL_START,
}

_UNICODE_LINE_ENDS = [(mark.encode(), b"\\u%04x" % ord(mark)) for mark in "\u0085\u2028\u2029"]


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

    A failure anywhere becomes one RUN_ERROR event. One log line tells how the run ended. `running` holds the stream
    while its run goes on; `release` is called when a run is given up that does not end when it is cancelled.
    """

    def __init__(
        self,
        events: AsyncGenerator[BaseEvent, None],
        record: RunRecord,
        settings: Settings,
        *,
        running: set[RunStream],
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self._events = events
        self._record = record
        self._settings = settings
        self._running = running
        self._release = release
        self._chunks: list[bytes] = []
        self._queued = 0  # bytes
        self._ending = False
        self._reason: AgentError | None = None
        self._ended = False
        self._sent = 0.0  # the loop's time of the last chunk
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self.pump: asyncio.Task[None]

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes; each chunk is one or more whole events, or one keep-alive comment."""
        loop = asyncio.get_running_loop()
        self.pump = loop.create_task(self._pump(), name="run")
        self._running.add(self)  # asyncio holds tasks weakly, and a pump runs its cancellation to the end
        self.pump.add_done_callback(self._left)
        beat = loop.create_task(self._beat(), name="heartbeat")
        limit = loop.call_later(self._settings.run_timeout_seconds, self.end, AgentError(Code.RUN_TIMEOUT))
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
                self._queued = 0
                self._room.set()
                self._sent = loop.time()
                if chunk:
                    yield chunk
        finally:
            limit.cancel()
            beat.cancel()
            self.end(None)

    def end(self, reason: AgentError | None) -> None:
        """Cancel the run: `reason` goes to its reader, None says that the reader has left."""
        if self._ending or self._ended:
            return
        self._ending = True
        self._reason = reason
        self.pump.cancel()
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self.give_up)

    def give_up(self) -> None:
        """Wait no longer for a run that was cancelled: tell so, and let the next of its session begin."""
        if self._ending and not self._ended:
            self._release()
            self._finish(RuntimeError(_DEAF))

    def _left(self, pump: asyncio.Task[None]) -> None:
        self._running.discard(self)
        self._finish(asyncio.CancelledError())  # for one that was cancelled before its first step

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
        """Queue every event, and then tell how the run ended."""
        failure: BaseException | None = None
        with self._record.span():
            try:
                async with aclosing(self._events) as events:
                    async for event in events:
                        if self._ending:
                            break  # the agent goes on although it was cancelled; closing it comes next
                        self._put(event)
                        # RUN_STARTED leaves before the agent is built.
                        if self._record.events == 1 or self._is_full():
                            self._room.clear()
                            await self._room.wait()
            # Whatever an agent raises, exit() and a CancelledError of its own included, ends its own run only.
            except BaseException as error:  # noqa: BLE001
                failure = error
            self._finish(failure)

    def _is_full(self) -> bool:
        return len(self._chunks) >= _QUEUED_EVENTS or self._queued >= _QUEUED_BYTES

    def _put(self, event: BaseEvent) -> None:
        self._record.saw(token=event.type in _TOKEN_EVENTS)
        chunk = encode(event)
        self._chunks.append(chunk)
        self._queued += len(chunk)
        self._ready.set()

    def _finish(self, failure: BaseException | None) -> None:
        """Close the stream, with RUN_ERROR unless the run was completed or has no reader, and write the log line."""
        if self._ended:
            return  # it was given up before
        if self._ending:
            self._record.outcome = "error" if self._reason else "disconnected"
            if self._reason is None and isinstance(failure, asyncio.CancelledError):
                failure = None
        else:
            self._record.outcome = "completed" if failure is None else "error"
            self._reason = None if failure is None else classify(failure)
            if isinstance(failure, RefusalError):
                self._record.outcome, failure = "refused", None
        if self._reason is not None:
            self._record.code = self._reason.code
            self._record.reference = uuid.uuid4().hex[:12]
            message = f"{self._reason.message} (reference {self._record.reference})"
            self._put(RunErrorEvent(message=message, code=self._reason.code))
        self._ended = True
        self._ready.set()
        log_line(self._record.line(self._settings, failure))


def stopped() -> AgentError:
    """Return what a server that stops tells the callers of its runs."""
    return AgentError(Code.INTERNAL, "The agent is being stopped; ask again in a moment.")


async def stop(running: set[RunStream]) -> None:
    """End the runs of a server that stops, each with RUN_ERROR and its log line, in about two seconds."""
    for stream in list(running):
        stream.end(stopped())
    if running:
        await asyncio.wait([stream.pump for stream in running], timeout=_STOP_SECONDS)
    for stream in list(running):
        stream.give_up()
