"""The event loop of a command: Ctrl-C interrupts no callback half way, and does not wait for blocking calls."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")
Handler = Callable[[int, FrameType | None], object]

GRACE_SECONDS = 2.0
"""How long a command waits at its end for running threads, so that tokens that have just arrived are stored."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine, as `asyncio.run` does."""
    with Runner() as runner:
        return runner.run(main)


class Runner:
    """An `asyncio.Runner` on which Ctrl-C interrupts no callback half way, and does not wait for blocking calls.

    asyncio's handler of SIGINT cancels where the signal arrives. A callback that is just then setting the future that
    is awaited would fail with an InvalidStateError, whose traceback the loop prints. Here the loop cancels, between two
    callbacks.

    Calls to Cognito, AWS and the DNS run in threads, which cannot be cancelled and may take minutes to time out.
    """

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=_loop)

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, as `asyncio.Runner.run` does."""
        before = signal.getsignal(signal.SIGINT)
        if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
            return self._runner.run(main)  # which sets no handler either
        self._runner.get_loop().call_soon(self._replace_handler)
        try:
            return self._runner.run(main)
        finally:
            signal.signal(signal.SIGINT, before)

    def _replace_handler(self) -> None:
        """Run by the loop, when asyncio has set its handler."""
        cancel, loop = cast("Handler", signal.getsignal(signal.SIGINT)), self._runner.get_loop()
        cancelled: asyncio.Handle | None = None

        def on_sigint(number: int, frame: FrameType | None) -> None:
            nonlocal cancelled
            if cancelled is not None:
                cancelled.cancel()
                raise KeyboardInterrupt  # as asyncio's does: the loop may be blocked
            cancelled = loop.call_soon_threadsafe(cancel, number, frame)

        signal.signal(signal.SIGINT, on_sigint)


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
