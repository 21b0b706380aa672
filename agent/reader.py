"""One connection that reads a run: server-sent bytes that survive quiet spells, and end when they must.

A reader has left when its connection ends or when it has read for as long as a connection may last, whichever is
first: on AWS the agent may never be told that a caller hung up.
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

# No blank line after it: at one, httpx-sse 0.4.3 (once an id has come) and ag-ui-client 0.1.0 for Rust dispatch an
# event without data, which nobody can read as JSON.
KEEP_ALIVE = b": keep-alive\n"
HEADERS = {
    # no-transform: a proxy that compresses would collect the words into blocks first.
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
# A connection that is over and takes no more bytes is closed after this.
_CLOSE_SECONDS = 5.0


class EventStream(StreamingResponse):
    """A response of server-sent events from `reader`, which has left when the response is over, however it ends."""

    def __init__(self, reader: Reader, headers: dict[str, str]) -> None:
        super().__init__(
            reader.body(),
            media_type="text/event-stream",
            headers=HEADERS | headers,
        )
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the body until it ends, the caller hangs up or the reader is closed and takes no more bytes."""
        tasks = {
            asyncio.ensure_future(self.stream_response(send)),
            asyncio.ensure_future(_hang_up(receive)),
            asyncio.ensure_future(self._reader.overdue.wait()),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(OSError):  # the connection broke while something was sent
                await asyncio.gather(*tasks, return_exceptions=True)
            self._reader.close()


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Reader:
    """Reads `log` from the event after number `after` on.

    `opening` are bytes that are sent first, and `left` is called once, when the reader has left.
    """

    def __init__(
        self,
        log: EventLog,
        settings: Settings,
        *,
        after: int = 0,
        opening: Iterable[bytes] = (),
        left: Callable[[Reader], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._settings = settings
        self._number = after
        self._opening = b"".join(opening)
        self._left: Callable[[Reader], None] | None = left
        self._ready = asyncio.Event()
        self._closed = False
        self._beat = False
        self._sent = 0.0  # the loop's time of the last chunk
        self._timer: asyncio.TimerHandle | None = None
        self.overdue = asyncio.Event()
        """Set when the reader was closed some time ago, and has not ended: it takes no more bytes."""
        self.read_something = asyncio.Event()
        """Set when the first bytes have left, or the reader has."""
        self._limit = asyncio.get_running_loop().call_later(settings.connection_seconds, self.close)

    def close(self) -> None:
        """End the response, without a last event: the caller attaches again."""
        if self._closed:
            return
        self._closed = True
        self._ready.set()
        self._leave()
        asyncio.get_running_loop().call_later(_CLOSE_SECONDS, self.overdue.set)

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes; each chunk is one or more whole events, or one keep-alive comment."""
        loop = asyncio.get_running_loop()
        self._log.joined(self._ready)
        self._sent = loop.time()
        self._timer = loop.call_later(self._settings.heartbeat_seconds, self._check_silence)
        try:
            while not self._closed:
                if not (chunk := self._next()):
                    if self._log.ended:
                        return
                    await self._ready.wait()
                    # One turn of the loop: on a busy server, what is ready by then leaves in the same send, and a
                    # send is the dearest step of an event's way.
                    await asyncio.sleep(0)
                    self._ready.clear()
                    continue
                self._beat = False
                self._sent = loop.time()
                yield chunk
                self.read_something.set()
        except GoneError:
            error = AgentError(Code.EVENTS_GONE)
            yield encode(RunErrorEvent(message=error.message, code=error.code))
        finally:
            self._timer.cancel()
            self._log.left(self._ready)
            self._closed = True
            self._leave()

    def _next(self) -> bytes:
        """Return what can be sent now, nothing when that is nothing."""
        opening, self._opening = self._opening, b""
        chunk, self._number = self._log.since(self._number)
        return opening + chunk or (KEEP_ALIVE if self._beat else b"")

    def _check_silence(self) -> None:
        """Ask for a comment when nothing was sent for the interval: one timer for a reader, not one for an event."""
        loop = asyncio.get_running_loop()
        interval = self._settings.heartbeat_seconds
        if loop.time() >= self._sent + interval:
            self._beat = True
            self._ready.set()
            self._sent = loop.time()
        self._timer = loop.call_at(self._sent + interval, self._check_silence)

    def _leave(self) -> None:
        self._limit.cancel()
        self.read_something.set()
        left, self._left = self._left, None
        if left is not None:
            left(self)
