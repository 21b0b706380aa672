"""The event loop's default executor, for blocking work: synchronous tools, boto3's model calls, the memory's client.

A synchronous call cannot be cancelled. When its run ends, the call continues as an orphan that no longer counts
towards the limit, so that a hanging tool does not block other runs. All threads are daemons, so none of them delays
the exit of the process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from agent.telemetry import log_line

__all__ = ["DaemonExecutor"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

# Above this many, a call of an ended run keeps counting towards the limit, so that the number of threads is bounded.
MAX_ORPHANS = 448


class DaemonExecutor(ThreadPoolExecutor):
    """Runs at most `limit` jobs at once, each in a thread of its own; further jobs are queued.

    It is a ThreadPoolExecutor because an event loop accepts only that class as its default executor; the base class's
    own worker threads are never started.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(max_workers=1)
        self._limit = limit
        self._guard = threading.Lock()
        self._queue: deque[_Job] = deque()
        self._busy = 0
        self._orphans = 0

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Return the future of `fn(*args, **kwargs)`.

        BaseExceptions that are not Exceptions, and StopIteration, are raised as RuntimeError.
        """
        job = _Job(partial(fn, *args, **kwargs), self)
        with self._guard:
            first_to_wait = self._busy >= self._limit and not self._queue
            self._queue.append(job)
        if first_to_wait:
            _warn(f"all {self._limit} threads are busy; the next synchronous tool or model call is queued")
        self._start_next()
        return job

    def orphan(self, job: _Job) -> None:
        """Stop counting a running job whose waiter is gone, and start the next one."""
        with self._guard:
            if job.orphaned or self._orphans >= MAX_ORPHANS:
                return
            job.orphaned = True
            self._orphans += 1
            self._busy -= 1
            count = self._orphans
        if count % 16 == 0:  # not every time: each cancelled run orphans its model call until the socket is closed
            _warn(
                f"{count} synchronous calls are still running for ended runs; set a timeout on the calls in your tools"
            )
        self._start_next()

    def release(self, job: _Job) -> None:
        """Stop counting a finished job, and start the next one."""
        with self._guard:
            if job.orphaned:
                self._orphans -= 1
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
            except RuntimeError as error:  # the operating system refused a new thread
                with self._guard:
                    self._busy -= 1
                if job.set_running_or_notify_cancel():
                    job.set_exception(error)
            else:
                return


class _Job(Future[Any]):
    """The future of a job. Cancelling it while it runs makes it an orphan: asyncio does so when a run ends."""

    def __init__(self, work: Callable[[], Any], executor: DaemonExecutor) -> None:
        super().__init__()
        self.work = work
        self.executor = executor
        self.orphaned = False

    def cancel(self) -> bool:
        """Cancel the job if it has not started."""
        cancelled = super().cancel()
        if self.running():
            self.executor.orphan(self)
        return cancelled


def _work(job: _Job) -> None:
    executor = job.executor
    try:
        if job.set_running_or_notify_cancel():
            try:
                job.set_result(job.work())
            except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
                job.set_exception(_raisable(error))
    finally:
        executor.release(job)
        del job  # breaks the reference cycle between the job, its exception and this frame


def _raisable(error: BaseException) -> Exception:
    """Return `error`, or a RuntimeError in its place where an event loop could not raise it from a future.

    A future rejects StopIteration, so its waiter would never wake; SystemExit and KeyboardInterrupt would stop the
    event loop and every run on it.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    failure = RuntimeError(f"{type(error).__name__} was raised")
    failure.__cause__ = error
    return failure


def _warn(message: str) -> None:
    log_line({"message": message, "level": "WARNING"})
