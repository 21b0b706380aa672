"""Amazon Bedrock as the agent's model, with calls that can be cancelled.

Strands calls boto3 in a thread and closes the event stream at the next chunk; while the model is silent there is no
next chunk, so a cancelled call would keep its connection open and go on being billed. Here every call records its
connection, and cancelling the call shuts the socket down: the thread wakes at once and the connection closes.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import ContextVar
from http.client import HTTPConnection
from typing import Any, cast

from botocore.config import Config
from strands.models import BedrockModel as StrandsBedrockModel
from strands.types.content import Messages
from strands.types.streaming import StreamEvent

from agent.aws import check_pattern, session_for
from agent.settings import Settings
from agent.strands.retry import retried

__all__ = ["BedrockModel"]


class _Call:
    """One call to Bedrock, and its connection while it has one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._ended = False

    def hold(self, connection: HTTPConnection) -> None:
        """Record the connection. Raises ConnectionAbortedError when the call has already been ended."""
        with self._lock:
            if self._ended:
                raise ConnectionAbortedError("the call was cancelled")
            self._connection = connection
            self._socket = connection.sock  # http.client clears `sock` once it has read the headers

    def release(self) -> None:
        """Drop the connection: it has returned to the pool, and another call uses it now."""
        with self._lock:
            self._connection = self._socket = None

    def end(self) -> None:
        """Shut the connection down; may be called from any thread."""
        with self._lock:
            self._ended = True
            if self._socket is not None:
                # close() does not wake a thread that is blocked in recv(); shutdown() does. SSLSocket.shutdown() would
                # discard the TLS state which that thread uses, so the plain socket's method is called.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; only for the call's own thread."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            if self._socket is not None:
                self._socket.close()
            self._connection = self._socket = None


# asyncio.to_thread copies the context, so a connection finds the call of its thread here.
_current: ContextVar[_Call | None] = ContextVar("bedrock_call", default=None)


class _Tracked:
    """Mixed into a connection class: gives the connection to the current call at each request."""

    _call: _Call | None = None

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if self._call is not None:
            self._call.release()
        self._call = call = _current.get()
        if call is not None:
            connection = cast("HTTPConnection", self)
            call.hold(connection)
            if connection.sock is None:
                connection.connect()
                call.hold(connection)
        return super().request(*args, **kwargs)  # type: ignore[misc]


class BedrockModel(StrandsBedrockModel):
    """Strands' Bedrock provider; cancelling `stream` closes the connection at once."""

    @classmethod
    def from_settings(cls, model_id: str, settings: Settings) -> BedrockModel:
        """Return the model. Reads the AWS configuration and credentials, so it blocks for some 100 ms.

        Raises SettingsError without credentials, and for an invalid model id.
        """
        config: dict[str, Any] = {"model_id": model_id}
        if settings.max_tokens is not None:
            config["max_tokens"] = settings.max_tokens
        if settings.guardrail_id is not None:
            config |= {"guardrail_id": settings.guardrail_id, "guardrail_version": settings.guardrail_version}
            config["guardrail_stream_processing_mode"] = settings.guardrail_stream
        model = cls(
            boto_session=session_for("bedrock", settings),
            boto_client_config=Config(
                retries={"total_max_attempts": 1},
                connect_timeout=10,
                read_timeout=settings.run_seconds,  # a model may be silent for minutes while it reasons
                max_pool_connections=64,
                tcp_keepalive=True,
            ),
            **config,
        )
        check_pattern(
            model.client,
            "ConverseStream",
            "modelId",
            model_id,
            "AGENT_MODEL cannot be used: bedrock: is followed by the id or the ARN of a model or inference profile, "
            "as in bedrock:eu.anthropic.claude-sonnet-4-5-20250929-v1:0.",
        )
        _track(model.client)
        return model

    async def stream(self, messages: Messages, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        """Stream one answer; retries when throttled before the first event.

        Raises AgentError(MODEL_THROTTLED) when all attempts are throttled, or one is after its first event.
        """
        async with aclosing(retried(lambda: self._attempt(messages, *args, **kwargs))) as events:
            async for event in events:
                yield event

    async def _attempt(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        call = _Call()
        complete = False
        source = super().stream(*args, **kwargs)
        try:
            async with aclosing(source):
                # The first anext() starts the thread, which copies the context.
                token = _current.set(call)
                try:
                    event = await anext(source, None)
                finally:
                    _current.reset(token)
                while event is not None:
                    yield event
                    event = await anext(source, None)
            complete = True
        finally:
            if not complete:
                call.end()

    def _stream(self, *args: Any, **kwargs: Any) -> None:
        """Make one call, in its thread. After a failure its connection is closed: it may hold half an answer."""
        try:
            super()._stream(*args, **kwargs)
        except BaseException:
            if call := _current.get():
                call.close()
            raise


def _track(client: Any) -> None:
    """Make the client's connections register with the current call.

    botocore has no public way to set its connection classes. Only this function uses its internals; it is tested over
    a real socket.
    """
    pools = client._endpoint.http_session._pool_classes_by_scheme
    for scheme, pool in list(pools.items()):
        connection = type(pool.ConnectionCls.__name__, (_Tracked, pool.ConnectionCls), {})
        pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
