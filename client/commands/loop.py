"""The event loop of a command, which ends when the command does."""

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
"""How long the end of a command waits for what its threads do: tokens that just came are still put away."""


def runner() -> asyncio.Runner:
    """Runs coroutines as `asyncio.Runner` does, except that Ctrl-C does not wait for calls that block.

    A call of Cognito, of AWS or of the DNS is made in a thread, which nothing can stop: it may take minutes to give up.
    """
    return asyncio.Runner(loop_factory=_loop)


def run(main: Coroutine[Any, Any, T]) -> T:
    """One coroutine, as `asyncio.run` runs it."""
    with runner() as running:
        return running.run(main)


def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(_Abandoned())
    return loop


class _Abandoned(ThreadPoolExecutor):  # a loop takes no other kind
    """A thread for each call, which ends with the process if it must."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: set[threading.Thread] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def call() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is whoever waits for the result who handles it
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
