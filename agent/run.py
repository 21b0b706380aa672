"""One run under way: a task of its own, which connections only read.

Nothing rests on being told of a hang-up: a run that nobody reads goes on for a while, so that its reader can come back,
and is then cancelled. Whatever ends a run, its readers get a last event, its operators a log line, and the next run of
its thread begins.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from ag_ui.core import BaseEvent, EventType, RunStartedEvent

from agent.ending import Ended, Ending, RunEndedByAuthorError
from agent.eventlog import EventLog
from agent.framework import Frameworks
from agent.reader import Reader
from agent.request import Run
from agent.settings import Settings
from agent.telemetry import RunRecord, error_fields, log_line
from agent.thread import Thread
from agent.transcript import LIFECYCLE, Transcript
from agent.turn import Turn
from agent.turns import Turns

__all__ = ["Ended", "LiveRun"]

# What an agent may take to clean up. Longer than the doctor waits for a stop, so that it finds one that runs on.
GRACE_SECONDS = 10.0
MAX_READERS = 8
# A generator that never awaits would hold the loop until its end.
_EVENTS_A_TURN = 64
_DEAF = (
    "the agent has not ended although it was cancelled; something in it catches asyncio.CancelledError "
    "(a bare except, or except BaseException) and must raise it again"
)
_TOKEN_EVENTS = {
    EventType.TEXT_MESSAGE_CONTENT,
    EventType.REASONING_MESSAGE_CONTENT,
    EventType.TOOL_CALL_START,
}


class LiveRun:
    """One run: its task, its events, its readers. `over` is called when it has ended, `grew` when its log grows."""

    def __init__(
        self,
        run: Run,
        *,
        record: RunRecord,
        settings: Settings,
        thread: Thread,
        frameworks: asyncio.Future[Frameworks],
        turns: Turns,
        grew: Callable[[int], None],
        over: Callable[[LiveRun], None],
    ) -> None:
        self.run = run
        self.log = EventLog(run.run_id)
        self.turn = Turn(run)
        self.transcript = Transcript()
        self.ended_at: float | None = None
        """The loop's time at which it ended; None while it is under way."""
        self._record = record
        self._settings = settings
        self._thread = thread
        self._frameworks = frameworks
        self._turns = turns
        self._grew = grew
        self._over = over
        self._readers: list[Reader] = []
        self._ended_by: Ended | None = None
        self._end_asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._replayed = False
        self._detached: asyncio.TimerHandle | None = None
        self._unread_since: float | None = None
        self._limit = asyncio.get_running_loop().call_later(settings.run_seconds, self.end, "timeout")
        self._worker: asyncio.Task[BaseException | None] | None = None
        self.task = asyncio.get_running_loop().create_task(self._supervise(), name="run")

    # Readers

    def read(self, *, after: int = 0, opening: tuple[bytes, ...] = ()) -> Reader:
        """Return a new reader of the events after number `after`; of more than eight the oldest is closed."""
        reader = Reader(self.log, self._settings, after=after, opening=opening, left=self._reader_left)
        self._readers.append(reader)
        if self._unread_since is not None:
            self._record.unread(time.monotonic() - self._unread_since)
            self._unread_since = None
        if self._detached is not None:
            self._detached.cancel()
            self._detached = None
        if len(self._readers) > MAX_READERS:
            self._readers[0].close()
        return reader

    def attached(self) -> None:
        """Count a reader that came back."""
        self._record.attached += 1

    def _reader_left(self, reader: Reader) -> None:
        self._readers.remove(reader)
        if self._readers or self.ended_at is not None:
            return
        self._unread_since = time.monotonic()
        if self._settings.detached_seconds == 0:
            self.end("abandoned")
            return
        loop = asyncio.get_running_loop()
        self._detached = loop.call_later(self._settings.detached_seconds, self.end, "abandoned")

    # The end

    def end(self, why: Ended) -> None:
        """Cancel the run; the first reason counts."""
        if self._ended_by is None and self.ended_at is None:
            self._ended_by = why
            self._end_asked.set_result(None)
            # At once: an agent that said another word before would be closed where it yields, not where it waits, and
            # a framework may leave that to the garbage collector.
            if self._worker is not None:
                self._worker.cancel()

    def give_up(self) -> None:
        """Wait no longer for an agent that does not end: its readers are told now."""
        self.task.cancel()

    async def _supervise(self) -> None:
        """Let the agent work until it is done or ended, and then tell how the run ended."""
        try:
            with self._record.span():
                await self._conclude(await self._result())
        finally:
            self._limit.cancel()
            if self._detached is not None:
                self._detached.cancel()
            self._thread.leave(self)
            self._over(self)

    async def _result(self) -> BaseException | None:
        """Return what the agent failed of, None when it did not; an agent that was ended gets some time to clean up."""
        work = self._worker = asyncio.get_running_loop().create_task(self._work(), name="agent")
        either: set[asyncio.Future[Any]] = {work, self._end_asked}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                if not work.cancelling():  # one that was ended before it began
                    work.cancel()
                await asyncio.wait({work}, timeout=GRACE_SECONDS)
        except asyncio.CancelledError:  # given up
            work.cancel()
        if not work.done():
            return RuntimeError(_DEAF)
        return asyncio.CancelledError() if work.cancelled() else work.result()

    async def _work(self) -> BaseException | None:
        """Run the agent and put its events; return what it failed of."""
        try:
            await self._play()
        # Whatever an agent raises, exit() and a CancelledError of its own included, ends its own run only.
        except BaseException as error:  # noqa: BLE001
            return error
        return None

    async def _play(self) -> None:
        self._put(RunStartedEvent(thread_id=self.run.thread_id, run_id=self.run.run_id))
        for reader in tuple(self._readers):
            await reader.read_something.wait()  # RUN_STARTED leaves before the agent is built
        await self._thread.begin(self)
        frameworks = await asyncio.shield(self._frameworks)
        prepared = await self._turns.prepare(self.run)
        self.run, self.turn = prepared.turn.run, prepared.turn
        for event in prepared.events:
            self._put(event)
        if prepared.answered:
            self._replayed = True
            return
        self.transcript = Transcript(self.run.state)
        framework, built = await frameworks.build(self.turn)
        self.turn.framework = framework.name
        count = 0
        async with aclosing(framework.play(built, self.turn)) as events:
            async for event in events:
                if self._ended_by is not None:
                    break  # the agent goes on although it was cancelled; closing it comes next
                if event.type in LIFECYCLE:
                    if event.type is EventType.RUN_STARTED:
                        continue
                    raise RunEndedByAuthorError(event)
                for one in self.transcript.follow(event):
                    self._put(one)
                count += 1
                if count % _EVENTS_A_TURN == 0:
                    await asyncio.sleep(0)

    def _put(self, event: BaseEvent) -> None:
        if self.log.ended:
            return  # of an agent that was given up
        self._record.saw(token=event.type in _TOKEN_EVENTS)
        self._grew(self.log.append(event))

    async def _conclude(self, failure: BaseException | None) -> None:
        """Put what closes the run, keep its turn, and write its log line."""
        ending = Ending(self.turn, self.transcript, failure=failure, ended_by=self._ended_by, replayed=self._replayed)
        for event in self.transcript.close():
            self._put(event)
        for result in list(ending.missing_results()):
            for event in self.transcript.follow(result):
                self._put(event)
        if ending.kept:
            await self._keep(ending)
        self._record.outcome = ending.outcome
        for part in self.turn.usage:
            self._record.input_tokens, self._record.output_tokens = part.input_tokens, part.output_tokens
        self._put(ending.last_event(self._record))
        self.ended_at = asyncio.get_running_loop().time()
        if self._unread_since is not None:
            self._record.unread(time.monotonic() - self._unread_since)
        self.log.end()
        log_line(self._record.line(self._settings, ending.failure))

    # The history

    def asked(self) -> list[dict[str, Any]]:
        """Return the input of the run, as AG-UI messages."""
        return [message.model_dump(mode="json", by_alias=True, exclude_none=True) for message in self.turn.run.input]

    async def _keep(self, ending: Ending) -> None:
        """Add the turn to the thread's history. The caller has the answer all the same when that fails."""
        if self._ended_by is None and self.turn.not_kept:
            log_line({"message": f"turn not saved: {self.turn.not_kept}", "level": "WARNING", **self._record.ids()})
            return
        stored = ending.stored(self.asked())
        try:
            await self._turns.save(self.turn, replace(stored, messages=self._turns.kept(stored.messages)))
        except Exception as error:  # noqa: BLE001 - the answer stands
            log_line({"message": "turn not saved", "level": "ERROR", **self._record.ids(), **error_fields(error)})
