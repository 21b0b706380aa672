"""One connection that reads a run: server-sent events, with keep-alive comments while the run is silent.

A reader is closed when its connection ends, or after `connection_seconds`, whichever is first: on AWS the agent may
never be told that a client has disconnected.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import TYPE_CHECKING

from ag_ui.core import RunErrorEvent
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from agent.errors import AgentError, Code
from agent.eventlog import EventLog, GoneError, encode

if TYPE_CHECKING:
    from agent.settings import Settings

__all__ = ["HEADERS", "KEEP_ALIVE", "EventStream", "Reader"]

# No blank line after it: on one, httpx-sse 0.4.3 (after an event with an id) and ag-ui-client 0.1.0 for Rust dispatch
# an event without data, which is not valid JSON.
KEEP_ALIVE = b": keep-alive\n"
HEADERS = {
    # no-transform: a compressing proxy would buffer the events.
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
# After close(), a connection whose client accepts no more bytes is dropped after this time.
_CLOSE_SECONDS = 5.0
# Of the event loop, before an event is sent: Strands takes about as many for each. One costs 19 % more processor time
# with 100 streams that never pause, four no less than three (bench/README.md).
_ITERATIONS = 3


class EventStream(StreamingResponse):
    """A response of server-sent events from `reader`, which is closed when the response ends, for whatever reason."""

    def __init__(self, reader: Reader, headers: dict[str, str]) -> None:
        super().__init__(
            reader.body(),
            media_type="text/event-stream",
            headers=HEADERS | headers,
        )
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the body until it ends, the client disconnects, or the reader is `overdue`."""
        tasks = {
            asyncio.ensure_future(self.stream_response(send)),
            asyncio.ensure_future(_disconnect(receive)),
            asyncio.ensure_future(self._reader.overdue.wait()),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(OSError):  # the connection broke during a send
                await asyncio.gather(*tasks, return_exceptions=True)
            self._reader.close()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Reader:
    """Reads `log` from the event after number `after`.

    `preamble` is sent first; `on_close` is called once, when the reader is closed.
    """

    def __init__(
        self,
        log: EventLog,
        settings: Settings,
        *,
        after: int = 0,
        preamble: Iterable[bytes] = (),
        on_close: Callable[[Reader], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._settings = settings
        self._number = after
        self._preamble = b"".join(preamble)
        self._on_close: Callable[[Reader], None] | None = on_close
        self._ready = asyncio.Event()
        self._closed = False
        self._heartbeat_due = False
        self._sent = 0.0  # the loop's time of the last chunk
        self._timer: asyncio.TimerHandle | None = None
        self.overdue = asyncio.Event()
        """Set when the reader was closed `_CLOSE_SECONDS` ago and its response has not ended: the client does not
        read."""
        self.first_sent = asyncio.Event()
        """Set when the first bytes have been sent, or the reader was closed."""
        self._timeout_timer = asyncio.get_running_loop().call_later(settings.connection_seconds, self.close)

    def close(self) -> None:
        """End the response without a terminal event: the client attaches again."""
        if self._closed:
            return
        self._closed = True
        self._ready.set()
        self._notify_closed()
        asyncio.get_running_loop().call_later(_CLOSE_SECONDS, self.overdue.set)

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Yield chunks; each is one or more whole events, or one keep-alive comment."""
        loop = asyncio.get_running_loop()
        self._log.subscribe(self._ready)
        self._sent = loop.time()
        self._timer = loop.call_later(self._settings.heartbeat_seconds, self._check_silence)
        try:
            while not self._closed:
                if not (chunk := self._next()):
                    if self._log.ended:
                        return
                    await self._ready.wait()
                    # On a busy server more events are ready by then, and go out in the same send, which is the most
                    # expensive step. On an idle one these iterations take microseconds.
                    for _ in range(_ITERATIONS):
                        await asyncio.sleep(0)
                    self._ready.clear()
                    continue
                self._heartbeat_due = False
                self._sent = loop.time()
                yield chunk
                self.first_sent.set()
        except GoneError:
            error = AgentError(Code.EVENTS_GONE)
            yield encode(RunErrorEvent(message=error.message, code=error.code))
        finally:
            self._timer.cancel()
            self._log.unsubscribe(self._ready)
            self._closed = True
            self._notify_closed()

    def _next(self) -> bytes:
        """Return the bytes that can be sent now, b"" when there are none."""
        preamble, self._preamble = self._preamble, b""
        chunk, self._number = self._log.since(self._number)
        return preamble + chunk or (KEEP_ALIVE if self._heartbeat_due else b"")

    def _check_silence(self) -> None:
        """Request a keep-alive comment if nothing was sent for the interval; one timer per reader, not per event."""
        loop = asyncio.get_running_loop()
        interval = self._settings.heartbeat_seconds
        if loop.time() >= self._sent + interval:
            self._heartbeat_due = True
            self._ready.set()
            self._sent = loop.time()
        self._timer = loop.call_at(self._sent + interval, self._check_silence)

    def _notify_closed(self) -> None:
        self._timeout_timer.cancel()
        self.first_sent.set()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close(self)
