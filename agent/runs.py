"""All runs of this process: starts them, finds them for `attach` and `stop`, and removes them when they expire."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ag_ui.core import (
    BaseEvent,
    Interrupt,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunStartedEvent,
    StateSnapshotEvent,
)

from agent.caller import Caller
from agent.errors import Code, RefusalError, bad_request
from agent.eventlog import encode
from agent.framework import Frameworks
from agent.reader import Reader
from agent.request import Attach, History, Run, Stop
from agent.run import LiveRun
from agent.sessions import Sessions
from agent.settings import Settings
from agent.telemetry import RunRecord
from agent.thread import Thread
from agent.turn import StoredTurn, messages_of
from agent.turns import Turns, snapshot_of

__all__ = ["Runs"]

MAX_BYTES = 256 * 2**20
# AgentCore does not document the time between SIGTERM and SIGKILL; containers and local runs allow 10 s or less.
STOP_SECONDS = 2.0

_Key = tuple[str | None, str]


class Runs:
    """The runs under way, and the ended ones that can still be read. To be used on the event loop only."""

    def __init__(self, settings: Settings, *, frameworks: asyncio.Future[Frameworks], turns: Turns) -> None:
        self._settings = settings
        self._frameworks = frameworks
        self._turns = turns
        self._sessions = Sessions()
        self._threads: dict[_Key, Thread] = {}
        self._size = 0  # bytes of all logs
        self.under_way: set[LiveRun] = set()

    def start(self, run: Run, caller: Caller, record: RunRecord) -> Reader:
        """Start `run`, or attach to it if it was started before; return a reader of all its events.

        Raises RefusalError: SESSION_FORBIDDEN, SESSION_BUSY, or INVALID_INPUT if its id belongs to another question.
        """
        self._sessions.claim(caller)
        thread = self._threads.setdefault((caller.user, run.thread_id), Thread())
        known = thread.runs.get(run.run_id)
        if known is not None:
            if known.run.digest != run.digest:
                raise bad_request("its runId belongs to another question; send a new one")
            known.count_attach()
            return known.read()
        thread.admit(self._settings)
        live = LiveRun(
            run,
            record=record,
            settings=self._settings,
            turn_lock=thread.turn_lock,
            frameworks=self._frameworks,
            turns=self._turns,
            on_growth=self._trim,
            on_end=self._run_ended,
        )
        thread.runs[run.run_id] = live
        self.under_way.add(live)
        return live.read()

    async def attach(self, asked: Attach, caller: Caller) -> Reader:
        """Return a reader of a run. Raises RefusalError: SESSION_FORBIDDEN or RUN_UNKNOWN."""
        live = self._find(asked.thread_id, asked.run_id, caller)
        preamble: tuple[bytes, ...] = ()
        after = asked.after
        if asked.stock:
            before = live.turn.history or await self._turns.history(caller, asked.thread_id)
            # Nothing is awaited between the snapshot and `last`, so no event is in both or in neither.
            preamble, after = _snapshot(live, before), live.log.last
        if live.log.ended:
            after = min(after, live.log.last - 1)  # the terminal event is always sent
        live.count_attach()
        return live.read(after=min(after, live.log.last), preamble=preamble)

    async def stop(self, asked: Stop, caller: Caller) -> bool:
        """End a run, or every run of a thread; return whether one was under way. Raises RefusalError."""
        self._sessions.check(caller)
        thread = self._threads.get((caller.user, asked.thread_id), Thread())
        ending = [run for run in thread.under_way if asked.run_id in {None, run.run.run_id}]
        for run in ending:
            run.end("stopped")
        if ending:
            await asyncio.wait([run.task for run in ending], timeout=STOP_SECONDS)
        return bool(ending)

    async def history(self, asked: History, caller: Caller) -> list[bytes]:
        """Return a thread's history as encoded events. Raises RefusalError(SESSION_FORBIDDEN)."""
        self._sessions.check(caller)
        turns = await self._turns.history(caller, asked.thread_id)
        thread = self._threads.get((caller.user, asked.thread_id), Thread())
        state = turns[-1].state if turns else None
        pending = turns[-1].pending if turns else None
        result: dict[str, Any] = {"kept": bool(turns)}
        if turns:
            result["lastOutcome"] = turns[-1].outcome
        if running := thread.under_way:
            result["runningRunId"] = running[-1].run.run_id
        outcome = None
        if pending is not None:
            interrupts = [Interrupt.model_validate(one) for one in pending.interrupts]
            outcome = RunFinishedInterruptOutcome(interrupts=interrupts)
        ids = {"thread_id": asked.thread_id, "run_id": asked.request_run_id}
        events: list[BaseEvent] = [RunStartedEvent(**ids)]
        if state is not None:
            events.append(StateSnapshotEvent(snapshot=state))
        events += [snapshot_of(messages_of(turns)), RunFinishedEvent(**ids, result=result, outcome=outcome)]
        return [encode(event, most=None) for event in events]

    async def end_all(self) -> None:
        """End all runs because the server stops, each with RUN_ERROR and its log line; takes about two seconds."""
        ending = list(self.under_way)
        for run in ending:
            run.end("stopping")
        if ending:
            await asyncio.wait([run.task for run in ending], timeout=STOP_SECONDS)
        for run in list(self.under_way):
            run.stop_waiting()
        if self.under_way:
            await asyncio.wait([run.task for run in self.under_way], timeout=STOP_SECONDS)

    def _find(self, thread_id: str, run_id: str | None, caller: Caller) -> LiveRun:
        self._sessions.check(caller)
        runs = self._threads.get((caller.user, thread_id), Thread()).runs
        live = runs.get(run_id) if run_id else next(reversed(runs.values()), None)
        if live is None:
            raise RefusalError(Code.RUN_UNKNOWN)
        return live

    def _trim(self, size: int) -> None:
        self._size += size
        if self._size <= MAX_BYTES:
            return
        kept = [run for thread in self._threads.values() for run in thread.runs.values()]
        ended = sorted((run for run in kept if run.ended_at is not None), key=lambda run: run.ended_at or 0.0)
        for run in [*ended, *sorted(self.under_way, key=lambda run: -run.log.size)]:
            self._size -= run.log.drop(self._size - MAX_BYTES * 7 // 8)
            if self._size <= MAX_BYTES:
                return

    def _run_ended(self, live: LiveRun) -> None:
        self.under_way.discard(live)
        asyncio.get_running_loop().call_later(self._settings.keep_seconds, self._remove, live)

    def _remove(self, live: LiveRun) -> None:
        key = (live.run.user, live.run.thread_id)
        thread = self._threads.get(key)
        if thread is None or thread.runs.pop(live.run.run_id, None) is None:
            return
        self._size -= live.log.size
        if not thread.runs:
            del self._threads[key]


def _snapshot(live: LiveRun, before: Sequence[StoredTurn]) -> tuple[bytes, ...]:
    """Return the events that bring a stock AG-UI client up to date; it would append a replay to the text it has."""
    finished, openers = live.transcript.snapshot()
    # The turn of an ended run may already be stored.
    others = [turn for turn in before if turn.run_id != live.run.run_id]
    messages = [*messages_of(others), *live.turn.run.input_json, *finished]
    ids = {"thread_id": live.run.thread_id, "run_id": live.run.run_id}
    events: list[BaseEvent] = [RunStartedEvent(**ids)]
    if live.transcript.state is not None:
        events.append(StateSnapshotEvent(snapshot=live.transcript.state))
    events += [snapshot_of(messages), *openers]
    return tuple(encode(event, most=None) for event in events)
