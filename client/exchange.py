"""Sends one request and reads its event stream: `ask` raises failures, `record` returns them in a recording."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

import httpx

from client.addresses import carries_secrets
from client.errors import OutputsError, UnreachableError, reason
from client.event_stream import Comment, Decoder, EventTooLongError, Message
from client.recording import Limits, Mark, Recording, mark_of
from client.request import Request, encoded, new_id, question
from client.sanitize import quoted

# The server limits the silence and the duration of a stream; the client limits only the time to connect.
TIMEOUT = httpx.Timeout(None, connect=10)

LINGER_SECONDS = 2.0
"""After RUN_FINISHED, wait this long for the server to close, then stop reading."""

REFUSAL_BYTES = 64 * 1024
REFUSAL_SECONDS = 10.0
"""How many bytes of a refusal's body are read, and for how long: the status is known already."""

PLAIN_HTTP = "the token must not be sent over plain http, where others could read it"

# Raised before any byte of the request is sent.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Arrival(NamedTuple):
    """One event of an answer.

    Attributes:
        event: an AG-UI event.
        seconds: the time of arrival, since the question was sent.
        id: ``<runId>:<number>``; empty if the event has none.
    """

    event: dict[str, Any]
    seconds: float
    id: str = ""

    @property
    def text(self) -> str:
        """The text of a text delta; empty for every other event."""
        return str(self.event.get("delta", "")) if self.event.get("type") == "TEXT_MESSAGE_CONTENT" else ""


class NotEventsError(Exception):
    """The response is not a stream of AG-UI events; the text says why."""


class Exchange:
    """One request and its response.

    Args:
        http: the client to send it with.
        request: the request.
        begin_within: the time limit for the response's headers, in seconds from now; None for no limit.
        end_within: the time limit for the whole response, in seconds from now; None for no limit.
        keep: whether to keep every mark; not needed to read a long answer.
        token_fault: the explanation if the token is refused, from `client.account.token_fault`.

    Attributes:
        began: the event loop's time at which it was created.
        recording: the response so far. Failures of the server or the network are recorded, not raised.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        request: Request,
        *,
        begin_within: float | None = None,
        end_within: float | None = None,
        keep: bool = True,
        token_fault: str = "",
    ) -> None:
        self._http = http
        self._request = request
        self.began = self._last_bytes = asyncio.get_running_loop().time()
        self.token_fault = token_fault
        self._begins_by = _earlier(self._after(begin_within), self._after(end_within))
        self._ends_by = self._after(end_within)
        self._keep = keep
        self.recording = Recording(request.session_id)

    async def arrivals(self) -> AsyncGenerator[Arrival, None]:
        """Yield the events as they arrive; afterwards the recording says how the response ended."""
        recording, response = self.recording, None
        try:
            response = await self._send()
            if response.status_code != 200 or not _is_event_stream(response):
                recording.ending = "refused"
                recording.body = await _read_refusal(response)
                return
            async for arrival in self._listen(response):
                yield arrival
        except TimeoutError:
            if not recording.over:
                recording.ending = "late"
                recording.message = f"no response within {self._now() - self.began:.0f} s"
        except (NotEventsError, EventTooLongError) as error:
            recording.ending = "invalid"
            recording.message = str(error) or "an event is too long"
        except (httpx.RequestError, httpx.InvalidURL) as error:
            if not recording.over:  # a failure after the terminal event does not matter
                self._broken(error)
        finally:
            recording.lasted = self._now() - self.began
            recording.silent = self._now() - self._last_bytes
            if response is not None:
                await response.aclose()

    async def _send(self) -> httpx.Response:
        asked = self._request
        content = asked.body if asked.method == "POST" else None
        async with asyncio.timeout_at(self._begins_by):
            built = self._http.build_request(
                asked.method, asked.url, headers=asked.all_headers(), content=content, timeout=TIMEOUT
            )
            if asked.token is not None and not carries_secrets(built.url):
                raise httpx.UnsupportedProtocol(PLAIN_HTTP)
            response = await self._http.send(built, stream=True)
        self._last_bytes = self._now()
        self.recording.headers_after = self._last_bytes - self.began
        self.recording.status, self.recording.headers = response.status_code, response.headers
        return response

    async def _listen(self, response: httpx.Response) -> AsyncGenerator[Arrival, None]:
        if (encoding := response.headers.get("content-encoding", "identity").lower()) != "identity":
            raise NotEventsError(f"it is compressed ({quoted(encoding)}), although the request did not accept that")
        decoder = Decoder()
        async for chunk in self._chunks(response):
            self._last_bytes = self._now()
            seconds = self._last_bytes - self.began
            for one in decoder.feed(chunk):
                if isinstance(one, Comment):
                    self._mark(Mark(seconds, "comment"))
                elif one.data:
                    yield self._take(one, seconds)
                    if self.recording.ending == "error":
                        return

    async def _chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        chunks = aiter(response.aiter_raw())
        while True:
            try:
                async with asyncio.timeout_at(self._ends_by):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            yield chunk

    def _take(self, message: Message, seconds: float) -> Arrival:
        event, recording = parse_event(message.data), self.recording
        self._mark(mark_of(event, seconds, message.id))
        if event["type"] == "RUN_FINISHED":
            recording.ending = "finished"
            self._ends_by = _earlier(self._ends_by, self._now() + LINGER_SECONDS)
        elif event["type"] == "RUN_ERROR":
            recording.ending = "error"
            recording.code, recording.message = str(event.get("code") or ""), str(event.get("message") or "")
        return Arrival(event, seconds, message.id or "")

    def _mark(self, mark: Mark) -> None:
        if self._keep:
            self.recording.marks.append(mark)

    def _broken(self, error: httpx.RequestError | httpx.InvalidURL) -> None:
        """Record a connection failure, by how far the request had progressed."""
        recording, url = self.recording, self._request.url
        recording.message = reason(error)
        if recording.status:
            recording.ending = "cut"
            return
        recording.ending = "unreachable"
        if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
            recording.failed = invalid_url(error)
        elif isinstance(error, NOT_SENT):
            recording.failed = UnreachableError(f"{url} cannot be reached ({reason(error)}): check the network.")
        else:
            recording.failed = UnreachableError(
                f"{url} closed the connection before it responded ({reason(error)}): the agent may have received the "
                "question, so ask again only if asking twice does no harm.",
                sent=True,
            )

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _after(self, seconds: float | None) -> float | None:
        return None if seconds is None else self.began + seconds


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
    """Send a prompt once and yield the events of the answer as they arrive; the last may be a ``RUN_ERROR``.

    Args:
        invoke_url: the stack's ``invokeUrl``.
        id_token: the ID token; the API refuses an access token.
        prompt: the question.
        session_id: the conversation to continue, 33 to 256 characters; by default a new one.
        limits: the stack's, to name the one that cut the stream.
        token_fault: the explanation if the token is refused, from `client.account.token_fault`.
        http: the client to send it with; by default a new one.

    Raises:
        RefusedError: when the gateway or the firewall refuses.
        AgentError: when the run ends with RUN_ERROR.
        CutError: when the stream ends without a terminal event.
        ProtocolError: when the response is not a stream of AG-UI events.
        UnreachableError: when the connection fails.
        OutputsError: when ``invoke_url`` is not a valid URL.
    """
    session = session_id or new_id()
    request = Request(invoke_url, id_token, encoded(question(prompt, session)), session)
    async with contextlib.AsyncExitStack() as stack:
        if http is None:
            own = httpx.AsyncClient(timeout=TIMEOUT, trust_env=invoke_url.startswith("https:"))
            http = await stack.enter_async_context(own)
        exchange = Exchange(http, request, keep=False)
        async with aclosing(exchange.arrivals()) as arrivals:
            async for arrival in arrivals:
                yield arrival
    if failure := exchange.recording.failure(limits, token_fault):
        raise failure


async def record(
    http: httpx.AsyncClient,
    url: str,
    token: str | None,
    prompt: str,
    *,
    session_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    leave_after_deltas: int | None = None,
    body: bytes | None = None,
    method: str = "POST",
    begin_within: float | None = None,
    end_within: float | None = None,
    name_session: bool = True,
) -> Recording:
    """Ask once and record the whole response; failures of the server or the network are recorded, not raised.

    Args:
        http: the client to send it with.
        url: the address.
        token: the bearer token, sent unchecked; None sends none.
        prompt: the question.
        session_id: the session; by default a new one.
        headers: additional headers.
        leave_after_deltas: disconnect after this many text deltas.
        body: sent instead of the question.
        method: the HTTP method; only a POST has a body.
        begin_within: see `Exchange`.
        end_within: see `Exchange`.
        name_session: whether to send the session header; otherwise the gateway sets the session.
    """
    session = session_id or new_id()
    content = encoded(question(prompt, session)) if body is None else body
    request = Request(url, token, content, session if name_session else "", headers, method)
    exchange = Exchange(http, request, begin_within=begin_within, end_within=end_within)
    recording, deltas = exchange.recording, 0
    recording.session_id = session
    async with aclosing(exchange.arrivals()) as arrivals:
        async for arrival in arrivals:
            deltas += arrival.event["type"] == "TEXT_MESSAGE_CONTENT"
            if leave_after_deltas is not None and deltas >= leave_after_deltas:
                recording.ending = "left"
                break
    return recording


def parse_event(data: str) -> dict[str, Any]:
    """Parse an AG-UI event: an object with a type, and with a string as `delta` if it is a text delta.

    Raises:
        NotEventsError: when it is not one.
    """
    try:
        event: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise NotEventsError(f"an event is not JSON: {quoted(data[:40])}") from None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise NotEventsError(f"an event is not an object with a type: {quoted(data[:40])}")
    if event["type"] == "TEXT_MESSAGE_CONTENT" and not isinstance(event.get("delta"), str):
        raise NotEventsError("the delta of a TEXT_MESSAGE_CONTENT is not a string")
    return event


def invalid_url(error: Exception) -> OutputsError:
    """The error for an invalid ``invokeUrl``."""
    return OutputsError(
        f"The output invokeUrl is not usable ({reason(error)}): read the stack's outputs again.", ("invokeUrl",)
    )


def _is_event_stream(response: httpx.Response) -> bool:
    type_ = str(response.headers.get("content-type", "")).partition(";")[0]
    return type_.strip().lower() == "text/event-stream"


async def _read_refusal(response: httpx.Response) -> bytes:
    """Read the body of a response that is not an event stream, up to `REFUSAL_BYTES` and `REFUSAL_SECONDS`."""
    body = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REFUSAL_SECONDS):
            async for chunk in response.aiter_raw():
                body += chunk[: REFUSAL_BYTES - len(body)]
                if len(body) == REFUSAL_BYTES:
                    break
    return body


def _earlier(*moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)
