"""The event loop of a command, which does not wait for blocking calls when the command is interrupted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

GRACE_SECONDS = 2.0
"""How long a command waits at its end for running threads, so that tokens that have just arrived are stored."""


def runner() -> asyncio.Runner:
    """Return an `asyncio.Runner` on which Ctrl-C does not wait for blocking calls.

    Calls to Cognito, AWS and the DNS run in threads, which cannot be cancelled and may take minutes to time out.
    """
    return asyncio.Runner(loop_factory=_loop)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine, as `asyncio.run` does."""
    with runner() as running:
        return running.run(main)


def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(_DaemonExecutor())
    return loop


class _DaemonExecutor(ThreadPoolExecutor):  # an event loop accepts only this class as its default executor
    """Runs each call in a daemon thread, which does not delay the exit of the process."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: set[threading.Thread] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def call() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
                future.set_exception(error)
            finally:
                self._calls.discard(threading.current_thread())

        thread = threading.Thread(target=call, daemon=True)
        self._calls.add(thread)
        thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        deadline = time.monotonic() + GRACE_SECONDS
        for thread in [*self._calls] if wait else ():
            thread.join(max(0.0, deadline - time.monotonic()))
        super().shutdown(wait, cancel_futures=cancel_futures)
