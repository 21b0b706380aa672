"""Answers `/ping` immediately, while the agent and its libraries are still being loaded in a thread.

AgentCore waits for `/ping` before it sends a question, and most of a cold start is imports: Strands and boto3. A
question that arrives earlier waits until they are loaded.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.app import Service

__all__ = ["LazyApp"]


class LazyApp:
    """An ASGI application that forwards to the application that `load` makes, once it is loaded.

    `load` is called in a thread. If it raises, the exception is kept in `failure` and `exit_server` is called, which
    the owner sets: a process that cannot load its agent exits.
    """

    def __init__(self, load: Callable[[], Service]) -> None:
        self.failure: BaseException | None = None
        self.exit_server: Callable[[], None] = lambda: None
        self._load = load
        self._waiting = 0
        self._ping = ("Healthy", int(time.time()))
        self._service: Service | None = None
        self._loaded = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, or the ASGI lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._service is None and scope["type"] == "http" and scope["path"] == "/ping":
            await _answer(send, self._state())
        else:
            self._waiting += 1
            try:
                await self._loaded.wait()
            finally:
                self._waiting -= 1
            if self._service is not None:
                await self._service.app(scope, receive, send)

    async def stop(self) -> None:
        """End the runs, while their connections are still open for the last events."""
        if self._service is not None:
            await self._service.stop()

    def _state(self) -> dict[str, Any]:
        """Return the body of `/ping`: `HealthyBusy` while a question waits, so that AgentCore keeps the session."""
        status = "HealthyBusy" if self._waiting else "Healthy"
        if status != self._ping[0]:
            self._ping = (status, int(time.time()))
        return {"status": status, "time_of_last_update": self._ping[1]}

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            loading = asyncio.ensure_future(self._make(stack))
            await send({"type": "lifespan.startup.complete"})
            await receive()
            loading.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _make(self, stack: AsyncExitStack) -> None:
        """Load the agent and enter its lifespan. Any failure ends the process."""
        try:
            service = await _in_daemon_thread(self._load)
            service.on_load_error = self.exit_server
            await stack.enter_async_context(service.lifespan(service.app))
            self._service = service
        except Exception as error:  # noqa: BLE001 - raised by `serve`
            self.failure = error
            self.exit_server()
        finally:
            self._loaded.set()


async def _in_daemon_thread(function: Callable[[], Service]) -> Service:
    """Return the result of `function`. Unlike an executor's thread, a daemon does not delay the exit of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Service] = loop.create_future()

    def settle(result: Service | None, error: BaseException | None) -> None:
        if future.done():
            return
        if result is None:
            future.set_exception(error or RuntimeError("nothing was loaded"))
        else:
            future.set_result(result)

    def work() -> None:
        result: Service | None = None
        failure: BaseException | None = None
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            failure = error
        except SystemExit as error:  # agent.py called exit() while it was imported
            failure = RuntimeError(f"it called exit({error.code})")
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=work, name="load", daemon=True).start()
    return await future


async def _answer(send: Any, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
