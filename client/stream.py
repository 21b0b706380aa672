"""Ask, and get the events of the answer as they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, NamedTuple

import httpx
from httpx_sse import EventSource

from client.errors import (
    ClientError,
    CutError,
    Limit,
    OutputsError,
    ProtocolError,
    UnreachableError,
    agent_failure,
    reason,
    refusal,
)
from client.outputs import Outputs
from client.sanitize import quoted

SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"

# The server bounds how long a stream may be silent and how long it may last; the client only connects in time.
TIMEOUT = httpx.Timeout(None, connect=10)

LINGER_SECONDS = 2.0
"""How long the end of a connection is waited for when the run is over: a server that keeps it open keeps nobody."""

REFUSAL_BYTES = 64 * 1024
REFUSAL_SECONDS = 10.0
"""How much of a refusal is read, and for how long: it is a sentence, and its status is known already."""

# Raised before a byte of the request is on its way.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)

_NEXT_STEP = "check that invokeUrl is this stack's, and what the agent yields"


class Arrival(NamedTuple):
    """One event of an answer.

    Attributes:
        event: an AG-UI event.
        seconds: since the question was sent.
    """

    event: dict[str, Any]
    seconds: float

    @property
    def text(self) -> str:
        """The words in this event; empty for every event but a text delta."""
        return str(self.event.get("delta", "")) if self.event.get("type") == "TEXT_MESSAGE_CONTENT" else ""


class Limits(NamedTuple):
    """The stack's limits in seconds; they tell why a stream was cut."""

    idle: float
    total: float

    @classmethod
    def of(cls, outputs: Outputs) -> Limits:
        """A stack's limits, as short as a local run makes them."""
        return cls(
            outputs.idle_timeout_seconds / outputs.time_scale,
            outputs.timeout_seconds / outputs.time_scale,
        )


def new_session() -> str:
    """A new conversation: one UUID, for the session header and for AG-UI's ``threadId``."""
    return str(uuid.uuid4())


def question(prompt: str, session_id: str) -> dict[str, Any]:
    """The body of a request: an AG-UI ``RunAgentInput`` (https://docs.ag-ui.com)."""
    return {
        "threadId": session_id,
        "runId": str(uuid.uuid4()),
        # What a shell passes on of another encoding is half a surrogate pair, which JSON in UTF-8 has no place for.
        "messages": [{"id": str(uuid.uuid4()), "role": "user", "content": prompt.encode(errors="replace").decode()}],
        "state": {},
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }


async def ask(
    invoke_url: str,
    id_token: str,
    prompt: str,
    *,
    session_id: str | None = None,
    limits: Limits | None = None,
    token_fault: str = "",
    http: httpx.AsyncClient | None = None,
) -> AsyncGenerator[Arrival, None]:
    """Send a prompt and yield the events of the answer as they arrive.

    Args:
        invoke_url: the stack's ``invokeUrl``.
        id_token: the ID token; the API refuses an access token.
        prompt: what to ask.
        session_id: 33 to 256 characters, to go on with a conversation; a new one begins when left out.
        limits: the stack's, to name the one at which a stream was cut.
        token_fault: what to say of the token if it is refused, from `client.account.token_fault`.
        http: a client whose connections to use; a new one is made when left out.

    Raises:
        RefusedError: when the gateway or the firewall refuses.
        AgentError: when the agent says that it failed.
        CutError: when the stream ends before the run does.
        ProtocolError: when what comes back is not a stream of AG-UI events.
        UnreachableError: when there is no connection.
        OutputsError: when ``invoke_url`` is no address.
    """
    if http is None:
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=invoke_url.startswith("https:")) as own:
            async for arrival in ask(
                invoke_url,
                id_token,
                prompt,
                session_id=session_id,
                limits=limits,
                token_fault=token_fault,
                http=own,
            ):
                yield arrival
        return
    session_id = session_id or new_session()
    headers = {"Authorization": f"Bearer {id_token}", "Accept": "text/event-stream", SESSION_HEADER: session_id}
    clock = _Clock()
    try:
        async with http.stream(
            "POST", invoke_url, headers=headers, json=question(prompt, session_id), timeout=TIMEOUT
        ) as response:
            events = response.headers.get("content-type", "").startswith("text/event-stream")
            if response.status_code != 200 or not events:
                body = b"" if response.status_code == 200 else await read_refusal(response)
                raise refused(response.status_code, response.headers, body, token_fault=token_fault)
            clock.answered = True
            async for arrival in _events(response, clock):
                yield arrival
    except (httpx.RequestError, httpx.InvalidURL) as error:
        # Once all of the run is here, it is of no account how the connection ends.
        if not clock.over:
            raise _failure(error, invoke_url, clock, limits) from error
    if not clock.over:
        raise clock.cut(limits)


def _failure(error: Exception, invoke_url: str, clock: _Clock, limits: Limits | None) -> ClientError:
    """What a failure of the connection means, by how far the request had come."""
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return no_address(error)
    if isinstance(error, NOT_SENT):
        return UnreachableError(f"{invoke_url} cannot be reached ({reason(error)}): check the network.")
    if isinstance(error, httpx.DecodingError):
        return _not_events("its compression is broken")
    if clock.answered:
        return clock.cut(limits)
    return UnreachableError(
        f"{invoke_url} broke the connection off before it answered ({reason(error)}): ask again if you may, for the "
        "agent may have been asked.",
        sent=True,
    )


def no_address(error: Exception) -> OutputsError:
    """The error for an ``invokeUrl`` that is none."""
    return OutputsError(f"The output invokeUrl is no address ({reason(error)}): read the outputs anew.", ("invokeUrl",))


class _Clock:
    """When things happened in one request."""

    def __init__(self) -> None:
        self.started = self.last = time.monotonic()
        self.answered = False
        self.leaves_at: float | None = None

    @property
    def over(self) -> bool:
        """Whether the run is over."""
        return self.leaves_at is not None

    def end(self) -> None:
        """The run is over; what the server may still have to say, it says soon."""
        self.leaves_at = self.leaves_at or asyncio.get_running_loop().time() + LINGER_SECONDS

    def cut(self, limits: Limits | None) -> CutError:
        """The error for a stream that ended early."""
        now = time.monotonic()
        return cut(silent=now - self.last, lasted=now - self.started, limits=limits)


def cut(*, silent: float, lasted: float, limits: Limits | None) -> CutError:
    """The error for a stream that ended early: by its silence, its length, or neither.

    Args:
        silent: seconds since the last byte, of whatever kind.
        lasted: seconds since the question was sent.
        limits: the stack's, where they are known.
    """
    limit: Limit | None = None
    if limits and silent >= limits.idle * 0.95:
        limit, why = "idle", f"it was silent for {silent:.0f} s, which is the idle limit: check the heartbeats"
    elif limits and lasted >= limits.total * 0.95:
        limit, why = "total", f"it lasted {lasted:.0f} s, which is the integration's timeout: ask for less at a time"
    else:
        why = "no limit was near, so the agent, or something on the way, broke it off: look at the runtime's log"
    return CutError(f"The stream was cut before the answer was complete: {why}.", limit)


async def _events(response: httpx.Response, clock: _Clock) -> AsyncGenerator[Arrival, None]:
    response.stream = _Heard(response.stream, clock)
    async with aclosing(EventSource(response).aiter_sse()) as sent:
        async for one in sent:
            if not one.data:
                continue
            event = _parse(one.data)
            if event["type"] == "RUN_ERROR":
                raise agent_failure(str(event.get("code") or ""), str(event.get("message") or ""))
            if event["type"] == "RUN_FINISHED":
                clock.end()
            yield Arrival(event, clock.last - clock.started)


class _Heard(httpx.AsyncByteStream):
    """The bytes of an answer, and when the last of them came: a heartbeat is no event, and breaks the silence."""

    def __init__(self, bytes_: httpx.SyncByteStream | httpx.AsyncByteStream, clock: _Clock) -> None:
        assert isinstance(bytes_, httpx.AsyncByteStream)  # noqa: S101 - an asynchronous client gives no other
        self._bytes = bytes_
        self._clock = clock

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._bytes)
        while True:
            try:
                async with asyncio.timeout_at(self._clock.leaves_at):
                    chunk = await anext(chunks)
            except (StopAsyncIteration, TimeoutError):
                return
            self._clock.last = time.monotonic()
            yield chunk

    async def aclose(self) -> None:
        await self._bytes.aclose()


def _parse(data: str) -> dict[str, Any]:
    """An AG-UI event: an object with a type, and a text delta with its words."""
    try:
        event: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise _not_events(f"an event is not JSON: {quoted(data[:40])}") from None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise _not_events(f"an event is no object with a type: {quoted(data[:40])}")
    if event["type"] == "TEXT_MESSAGE_CONTENT" and not isinstance(event.get("delta"), str):
        raise _not_events("a TEXT_MESSAGE_CONTENT has no text as its delta")
    return event


def _not_events(why: str) -> ProtocolError:
    return ProtocolError(f"The answer is not a stream of AG-UI events ({why}): {_NEXT_STEP}.")


async def read_refusal(response: httpx.Response) -> bytes:
    """The body of an answer that is no event stream, so far as it is worth waiting for."""
    body = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REFUSAL_SECONDS):
            async for chunk in response.aiter_bytes():
                body += chunk[: REFUSAL_BYTES - len(body)]
                if len(body) == REFUSAL_BYTES:
                    break
    return body


def refused(status: int, headers: httpx.Headers, body: bytes, *, token_fault: str = "") -> ClientError:
    """The error for an answer that is no event stream.

    Args:
        status: the HTTP status.
        headers: of the answer.
        body: of the answer; the gateway puts a message there, and in this stack its response type.
        token_fault: what is wrong with the token that was sent, where its claims tell.
    """
    if status == 200:
        return _not_events(f"its content type is {quoted(headers.get('content-type', '')) or 'missing'}")
    try:
        told: Any = json.loads(body)
        message, kind = str(told["message"]), str(told.get("type", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        message = kind = ""
    return refusal(status, message, token_fault=token_fault, kind=kind)
