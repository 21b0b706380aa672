"""One run: a task of its own, which connections only read.

The run does not depend on disconnects being reported: without a reader it continues for `detached_seconds`, so that the
client can attach again, and is then cancelled. However a run ends, its readers get a terminal event, the log gets a
line, and the next run of its thread starts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from ag_ui.core import BaseEvent, EventType, RunStartedEvent

from agent.ending import Ending, EndReason, RunEndedByAuthorError
from agent.eventlog import EventLog
from agent.framework import Frameworks
from agent.reader import Reader
from agent.request import Run
from agent.settings import Settings
from agent.telemetry import RunRecord, error_fields, log_line
from agent.transcript import LIFECYCLE, Transcript
from agent.turn import Turn
from agent.turns import Turns

__all__ = ["EndReason", "LiveRun"]

# The time that a cancelled agent may take to clean up. Longer than the doctor waits after a stop, so that the doctor
# detects an agent that ignores the cancellation.
GRACE_SECONDS = 10.0
MAX_READERS = 8
# Yield to the loop after this many events: a generator that never awaits would block it.
_EVENTS_A_TURN = 64
_CANCELLATION_IGNORED = (
    "the agent was cancelled and did not end: something in it catches asyncio.CancelledError "
    "(a bare except, or except BaseException); raise it again there"
)
_TOKEN_EVENTS = {
    EventType.TEXT_MESSAGE_CONTENT,
    EventType.REASONING_MESSAGE_CONTENT,
    EventType.TOOL_CALL_START,
}


class LiveRun:
    """One run: its task, its events, its readers.

    `on_growth` is called with the bytes that each event adds to the log, `on_end` when the run has ended. `turn_lock`
    is the thread's: the run that holds it is the one whose agent works.
    """

    def __init__(
        self,
        run: Run,
        *,
        record: RunRecord,
        settings: Settings,
        turn_lock: asyncio.Lock,
        frameworks: asyncio.Future[Frameworks],
        turns: Turns,
        on_growth: Callable[[int], None],
        on_end: Callable[[LiveRun], None],
    ) -> None:
        self.run = run
        self.log = EventLog(run.run_id)
        self.turn = Turn(run)
        self.transcript = Transcript()
        self.ended_at: float | None = None
        """The event loop's time at which it ended; None while it is under way."""
        self._record = record
        self._settings = settings
        self._turn_lock = turn_lock
        self._has_turn = False
        self._frameworks = frameworks
        self._turns = turns
        self._on_growth = on_growth
        self._on_end = on_end
        self._readers: list[Reader] = []
        self._ended_by: EndReason | None = None
        self._end_requested: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._replayed = False
        self._abandon_timer: asyncio.TimerHandle | None = None
        self._unread_since: float | None = None
        self._timeout_timer = asyncio.get_running_loop().call_later(settings.run_seconds, self.end, "timeout")
        self._agent_task: asyncio.Task[BaseException | None] | None = None
        self.task = asyncio.get_running_loop().create_task(self._supervise(), name="run")

    # Readers

    def read(self, *, after: int = 0, preamble: tuple[bytes, ...] = ()) -> Reader:
        """Return a new reader of the events after number `after`; above `MAX_READERS`, the oldest reader is closed."""
        reader = Reader(self.log, self._settings, after=after, preamble=preamble, on_close=self._reader_closed)
        self._readers.append(reader)
        if self._unread_since is not None:
            self._record.add_unread(time.monotonic() - self._unread_since)
            self._unread_since = None
        if self._abandon_timer is not None:
            self._abandon_timer.cancel()
            self._abandon_timer = None
        if len(self._readers) > MAX_READERS:
            self._readers[0].close()
        return reader

    def count_attach(self) -> None:
        """Count a client that attached again."""
        self._record.attached += 1

    def _reader_closed(self, reader: Reader) -> None:
        self._readers.remove(reader)
        if self._readers or self.ended_at is not None:
            return
        self._unread_since = time.monotonic()
        if self._settings.detached_seconds == 0:
            self.end("abandoned")
            return
        loop = asyncio.get_running_loop()
        self._abandon_timer = loop.call_later(self._settings.detached_seconds, self.end, "abandoned")

    # End

    def end(self, why: EndReason) -> None:
        """Cancel the run; only the first call has an effect."""
        if self._ended_by is None and self.ended_at is None:
            self._ended_by = why
            self._end_requested.set_result(None)
            # Cancel immediately: if the agent yielded another event first, it would be closed at its yield, not at its
            # await, and a framework may leave that to the garbage collector.
            if self._agent_task is not None:
                self._agent_task.cancel()

    def stop_waiting(self) -> None:
        """Stop waiting for an agent that ignores its cancellation; its readers get the terminal event now."""
        self.task.cancel()

    async def _supervise(self) -> None:
        """Run the agent until it is done or is ended, and then finish the run."""
        try:
            with self._record.span():
                await self._finish(await self._wait_for_agent())
        finally:
            self._timeout_timer.cancel()
            if self._abandon_timer is not None:
                self._abandon_timer.cancel()
            if self._has_turn:
                self._turn_lock.release()
            self._on_end(self)

    async def _wait_for_agent(self) -> BaseException | None:
        """Return the agent's exception, None if it succeeded; a cancelled agent gets `GRACE_SECONDS` to clean up."""
        work = self._agent_task = asyncio.get_running_loop().create_task(self._agent_error(), name="agent")
        either: set[asyncio.Future[Any]] = {work, self._end_requested}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                if not work.cancelling():  # the run was ended before this task existed
                    work.cancel()
                await asyncio.wait({work}, timeout=GRACE_SECONDS)
        except asyncio.CancelledError:  # by stop_waiting()
            work.cancel()
        if not work.done():
            return RuntimeError(_CANCELLATION_IGNORED)
        return asyncio.CancelledError() if work.cancelled() else work.result()

    async def _agent_error(self) -> BaseException | None:
        """Run the agent and log its events; return its exception."""
        try:
            await self._run_agent()
        # Any exception of an agent, also SystemExit and a CancelledError of its own, ends its own run only.
        except BaseException as error:  # noqa: BLE001
            return error
        return None

    async def _run_agent(self) -> None:
        self._append(RunStartedEvent(thread_id=self.run.thread_id, run_id=self.run.run_id))
        for reader in tuple(self._readers):
            await reader.first_sent.wait()  # RUN_STARTED is sent before the agent is built
        await self._turn_lock.acquire()
        self._has_turn = True
        frameworks = await asyncio.shield(self._frameworks)
        prepared = await self._turns.prepare(self.run)
        self.run, self.turn = prepared.turn.run, prepared.turn
        for event in prepared.events:
            self._append(event)
        if prepared.answered:
            self._replayed = True
            return
        self.transcript = Transcript(self.run.state)
        framework, built = await frameworks.build(self.turn)
        self.turn.framework = framework.name
        count = 0
        async with aclosing(framework.run(built, self.turn)) as events:
            async for event in events:
                if self._ended_by is not None:
                    break  # the agent ignored its cancellation: leaving the block closes it
                if event.type in LIFECYCLE:
                    if event.type is EventType.RUN_STARTED:
                        continue
                    raise RunEndedByAuthorError(event)
                for one in self.transcript.apply(event):
                    self._append(one)
                count += 1
                if count % _EVENTS_A_TURN == 0:
                    await asyncio.sleep(0)

    def _append(self, event: BaseEvent) -> None:
        if self.log.ended:
            return  # from an agent that ignored its cancellation
        self._record.count_event(token=event.type in _TOKEN_EVENTS)
        self._on_growth(self.log.append(event))

    async def _finish(self, failure: BaseException | None) -> None:
        """Append the events that close the run, save its turn, and write its log line."""
        ending = Ending(self.turn, self.transcript, failure=failure, ended_by=self._ended_by, replayed=self._replayed)
        for event in self.transcript.close():
            self._append(event)
        for result in list(ending.missing_results()):
            for event in self.transcript.apply(result):
                self._append(event)
        if ending.kept:
            await self._save(ending)
        self._record.outcome = ending.outcome
        for part in self.turn.usage:
            self._record.input_tokens, self._record.output_tokens = part.input_tokens, part.output_tokens
        self._append(ending.last_event(self._record))
        self.ended_at = asyncio.get_running_loop().time()
        if self._unread_since is not None:
            self._record.add_unread(time.monotonic() - self._unread_since)
        self.log.end()
        log_line(self._record.line(self._settings, ending.failure))

    # History

    async def _save(self, ending: Ending) -> None:
        """Add the turn to the thread's history. A failure is only logged: the caller has the answer already."""
        if self._ended_by is None and self.turn.not_saved:
            log_line({"message": f"turn not saved: {self.turn.not_saved}", "level": "WARNING", **self._record.ids()})
            return
        stored = ending.stored()
        try:
            await self._turns.save(self.turn, replace(stored, messages=self._turns.for_history(stored.messages)))
        except Exception as error:  # noqa: BLE001 - the answer is not affected
            log_line({"message": "turn not saved", "level": "ERROR", **self._record.ids(), **error_fields(error)})
