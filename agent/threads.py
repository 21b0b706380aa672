"""The threads of blocking work: synchronous tools, boto3's model calls, the memory's client.

A synchronous call cannot be stopped. One whose run has ended goes on in its thread, and that thread no longer counts,
so that a tool that hangs takes no other run's place. Threads are daemons: none of them keeps the process from leaving.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from agent.telemetry import log_line

__all__ = ["Threads"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

# Calls of ended runs that go on beside the counted ones; more of them keep their place, so that threads stay bounded.
MOST_LEFT_BEHIND = 448


class Threads(ThreadPoolExecutor):
    """Runs at most `limit` jobs at once, each in a thread of its own; the others wait for their turn.

    A ThreadPoolExecutor only because an event loop takes nothing else as its default executor: none of its own
    workers is ever started.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(max_workers=1)
        self._limit = limit
        self._guard = threading.Lock()
        self._queue: deque[_Job] = deque()
        self._busy = 0
        self._left_behind = 0

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Return the future of `fn(*args, **kwargs)`; what is no Exception, and StopIteration, become RuntimeError."""
        job = _Job(partial(fn, *args, **kwargs), self)
        with self._guard:
            first_to_wait = self._busy >= self._limit and not self._queue
            self._queue.append(job)
        if first_to_wait:
            _warn(f"all {self._limit} threads are busy; the next synchronous tool or model call waits for one")
        self._start_next()
        return job

    def leave_behind(self, job: _Job) -> None:
        """Give the place of a running job, which nobody waits for any more, to the next."""
        with self._guard:
            if job.left_behind or self._left_behind >= MOST_LEFT_BEHIND:
                return
            job.left_behind = True
            self._left_behind += 1
            self._busy -= 1
            count = self._left_behind
        if count % 16 == 0:  # a model call is left behind at every hang-up, for the moment that it takes to end
            _warn(
                f"{count} synchronous calls go on for runs that have ended; give the calls in your tools a time limit"
            )
        self._start_next()

    def finished(self, job: _Job) -> None:
        """Count a job as over."""
        with self._guard:
            if job.left_behind:
                self._left_behind -= 1
            else:
                self._busy -= 1
        self._start_next()

    def _start_next(self) -> None:
        while True:
            with self._guard:
                if self._busy >= self._limit or not self._queue:
                    return
                job = self._queue.popleft()
                self._busy += 1
            try:
                threading.Thread(target=_work, args=(job,), name="agent", daemon=True).start()
            except RuntimeError as error:  # the machine has no thread left: a failure of this job, not of its place
                with self._guard:
                    self._busy -= 1
                if job.set_running_or_notify_cancel():
                    job.set_exception(error)
            else:
                return


class _Job(Future[Any]):
    """The future of a job. To cancel it while it runs is to leave it behind: asyncio does so when a run ends."""

    def __init__(self, work: Callable[[], Any], threads: Threads) -> None:
        super().__init__()
        self.work = work
        self.threads = threads
        self.left_behind = False

    def cancel(self) -> bool:
        """Cancel the job if it has not begun."""
        cancelled = super().cancel()
        if self.running():
            self.threads.leave_behind(self)
        return cancelled


def _work(job: _Job) -> None:
    threads = job.threads
    try:
        if job.set_running_or_notify_cancel():
            try:
                job.set_result(job.work())
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the job
                job.set_exception(_deliverable(error))
    finally:
        threads.finished(job)
        del job  # a traceback would keep it, and it its traceback


def _deliverable(error: BaseException) -> Exception:
    """Return `error` as something that can be raised out of a future on an event loop.

    A future refuses StopIteration, and its waiter would wait for ever; SystemExit and KeyboardInterrupt would end the
    loop, and with it the runs of everybody.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    failure = RuntimeError(f"{type(error).__name__} was raised")
    failure.__cause__ = error
    return failure


def _warn(message: str) -> None:
    log_line({"message": message, "level": "WARNING"})
