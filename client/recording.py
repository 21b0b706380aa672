"""One answer with the moment of every arrival in it, whatever the answer is: for drawing, measuring and judging.

Where `client.stream.ask` turns everything that is not an answer into an exception, this keeps it: a refusal, a
comment, a cut are what a measurement is about.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from client.errors import reason
from client.sanitize import quoted
from client.stream import LINGER_SECONDS, SESSION_HEADER, TIMEOUT, new_session, question, read_refusal

Kind = Literal["word", "event", "comment"]
Ending = Literal["finished", "error", "cut", "left", "late", "refused", "unreachable"]

LATEST_STAMP = 1e15
"""Milliseconds since 1970: thirty thousand years, beyond which a number is no moment and may be no number."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that arrived.

    Attributes:
        seconds: since the question was sent.
        kind: a text delta, another event, or a comment (a heartbeat).
        text: the words of a text delta.
        made: when the agent says that it made the event, in Unix seconds; None where it does not say.
    """

    seconds: float
    kind: Kind
    text: str = ""
    made: float | None = None


@dataclass(slots=True)
class Recording:
    """Everything that came back for one question. Times are seconds since it was sent.

    Attributes:
        status: the HTTP status; 0 when there was no answer.
        headers: of the answer.
        body: of an answer that is not an event stream; as much of it as `client.stream.read_refusal` reads.
        ending: how it ended; ``left`` when the recorder hung up, ``late`` when it took longer than it was given.
        code: of a ``RUN_ERROR``.
        message: of a ``RUN_ERROR``, or why there was no answer.
        headers_after: when the headers were here.
        lasted: when it was over.
    """

    session_id: str
    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    body: bytes = b""
    marks: list[Mark] = field(default_factory=list)
    ending: Ending = "cut"
    code: str = ""
    message: str = ""
    headers_after: float = 0.0
    lasted: float = 0.0

    @property
    def words(self) -> list[Mark]:
        """The text deltas."""
        return [mark for mark in self.marks if mark.kind == "word"]

    @property
    def first_word(self) -> float | None:
        """When the first words were here; None when there were none."""
        return next((mark.seconds for mark in self.marks if mark.kind == "word"), None)

    @property
    def over(self) -> bool:
        """Whether the run has said itself that it is over, so that nothing that comes later matters."""
        return self.ending in ("finished", "error")

    @property
    def request_id(self) -> str:
        """The gateway's id for the request; empty when there is none."""
        return str(self.headers.get("x-amzn-requestid", ""))

    @property
    def by_runtime(self) -> bool:
        """Whether AgentCore, and not the gateway, refused.

        Its 401 carries a challenge that the gateway renames on the way, and says *Missing Authentication Token* where
        the gateway says that with 403.
        """
        challenged = "x-amzn-remapped-www-authenticate" in self.headers or "www-authenticate" in self.headers
        return self.status in (409, 424) or challenged or (self.status == 401 and b"Missing Auth" in self.body)

    def told(self) -> str:
        """What came back, in a few words."""
        if self.status == 0:
            return f"no answer ({self.message})"
        if self.ending == "error":
            return f"RUN_ERROR {quoted(self.code)}"
        if self.status != 200:
            return f"{self.status} {quoted(self.body[:200].decode(errors='replace'))}".strip()
        return f"200, {len(self.words)} text events, {self.ending}"


async def record(
    http: httpx.AsyncClient,
    url: str,
    token: str | None,
    prompt: str,
    *,
    session_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    leave_after_words: int | None = None,
    body: bytes | None = None,
    method: str = "POST",
    begin_within: float | None = None,
    end_within: float | None = None,
) -> Recording:
    """Ask and keep everything; never raises for what a server or a network does.

    Args:
        http: whose connections to use.
        url: where to POST.
        token: sent as it is; None sends none.
        prompt: what to ask.
        session_id: the session; a new one when left out.
        headers: more headers.
        leave_after_words: hang up after so many text events.
        body: sent in place of the question.
        method: a request by any other than POST has no body.
        begin_within: seconds within which the answer's headers must be here; any time when left out.
        end_within: seconds within which all of it must be here, from the same moment; any time when left out.
    """
    recording = Recording(session_id or new_session())
    sent = {SESSION_HEADER: recording.session_id, "Accept": "text/event-stream", "Content-Type": "application/json"}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    content = body
    if body is None and method == "POST":
        content = json.dumps(question(prompt, recording.session_id)).encode()
    started, began = time.monotonic(), asyncio.get_running_loop().time()
    ends_at = None if end_within is None else began + end_within
    try:
        async with (
            asyncio.timeout_at(_earlier(None if begin_within is None else began + begin_within, ends_at)) as deadline,
            http.stream(method, url, headers={**sent, **(headers or {})}, content=content, timeout=TIMEOUT) as response,
        ):
            deadline.reschedule(ends_at)
            recording.headers_after = time.monotonic() - started
            recording.status, recording.headers = response.status_code, response.headers
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                recording.ending = "refused"
                recording.body = await read_refusal(response)
            else:
                await _listen(response, recording, started, leave_after_words, deadline)
    except TimeoutError:
        if not recording.over:
            recording.ending = "late"
            recording.message = f"nothing within {time.monotonic() - started:.0f} s"
    except (httpx.RequestError, httpx.InvalidURL) as error:
        if not recording.over:  # what breaks after the run's own end breaks nothing
            recording.message = reason(error)
            recording.ending = "cut" if recording.status else "unreachable"
    recording.lasted = time.monotonic() - started
    return recording


def _earlier(*moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)


async def _listen(
    response: httpx.Response,
    recording: Recording,
    started: float,
    leave_after: int | None,
    deadline: asyncio.Timeout,
) -> None:
    words = 0
    async for line in _lines(response):
        now = time.monotonic() - started
        if line.startswith(":"):
            recording.marks.append(Mark(now, "comment"))
        elif line.startswith("data:"):
            was_over = recording.over
            mark = _take(line[5:], recording, now)
            recording.marks.append(mark)
            if recording.over and not was_over:
                deadline.reschedule(_earlier(deadline.when(), asyncio.get_running_loop().time() + LINGER_SECONDS))
            words += mark.kind == "word"
            if leave_after is not None and words >= leave_after:
                recording.ending = "left"
                return


def _take(data: str, recording: Recording, now: float) -> Mark:
    try:
        event: Any = json.loads(data)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        return Mark(now, "event")
    stamp = event.get("timestamp")
    made = stamp / 1000 if isinstance(stamp, int | float) and 0 <= stamp < LATEST_STAMP else None
    kind = event.get("type")
    if kind == "RUN_FINISHED":
        recording.ending = "finished"
    elif kind == "RUN_ERROR":
        recording.ending, recording.code = "error", str(event.get("code"))
        recording.message = str(event.get("message"))
    if kind == "TEXT_MESSAGE_CONTENT":
        delta = event.get("delta")
        return Mark(now, "word", delta if isinstance(delta, str) else "", made)
    return Mark(now, "event", made=made)


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    """Lines that LF or CR LF ends, as this agent writes them; httpx also ends one at every line end of Unicode."""
    begun: list[bytes] = []  # joined once: a line may be long, and come in many pieces
    async for chunk in response.aiter_bytes():
        end, *following = chunk.split(b"\n")
        begun.append(end)
        for beginning in following:
            yield b"".join(begun).rstrip(b"\r").decode(errors="replace")
            begun = [beginning]
