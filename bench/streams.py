"""Many streams at once against a running chain, each checked word by word."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import aiohttp

from local.doubles.scripted import Script

READ_LIMIT = 2**16


class StreamResult(NamedTuple):
    """The result of one stream.

    Attributes:
        outcome: ``whole``, ``cut``, ``error CODE`` or ``status N``; ``garbled`` when words are missing, doubled or out
            of order.
        words: text events that arrived.
        first_word: seconds from the question.
        longest_gap: seconds between two arrivals.
    """

    outcome: str
    words: int
    first_word: float
    longest_gap: float


class Prompt(NamedTuple):
    """A prompt, and the words of the scripted model's answer."""

    text: str

    @property
    def words(self) -> Sequence[str]:
        """The expected answer."""
        return Script.of(self.text).answer()


class Listener:
    """Reads one run over as many connections as it takes, and checks every event."""

    def __init__(self, prompt: Prompt) -> None:
        self.expected = list(prompt.words)
        self.received: list[str] = []
        self.outcome = "cut"
        self.number = 0
        """The number of the last event."""
        self.doubled = False
        self.first_word = self.longest_gap = 0.0
        self._started = self._last = time.monotonic()

    def read(self, line: bytes) -> None:
        """Read one line of the stream."""
        now = time.monotonic()
        self.longest_gap, self._last = max(self.longest_gap, now - self._last), now
        if line.startswith(b"id: "):
            number = int(line.rpartition(b":")[2])
            self.doubled |= number != self.number + 1
            self.number = number
        if not line.startswith(b"data: "):
            return
        event = json.loads(line[6:])
        if event["type"] == "TEXT_MESSAGE_CONTENT":
            self.first_word = self.first_word or now - self._started
            self.received.append(event["delta"].strip())
        elif event["type"] == "RUN_ERROR":
            self.outcome = f"error {event['code']}"
        elif event["type"] == "RUN_FINISHED":
            self.outcome = "whole"

    def result(self) -> StreamResult:
        """The result so far."""
        received, expected = self.received, self.expected
        if self.doubled or received != expected[: len(received)] or (self.outcome == "whole" and received != expected):
            self.outcome = "garbled"
        return StreamResult(self.outcome, len(received), self.first_word, self.longest_gap)


async def listen(
    session: aiohttp.ClientSession, url: str, token: str, prompt: Prompt, cuts: Sequence[float] = ()
) -> StreamResult:
    """Ask once and check every event of the answer.

    Args:
        session: the client session.
        url: of the API.
        token: of the caller.
        prompt: the question.
        cuts: seconds after which each connection is cut; the client then attaches to the run.
    """
    thread_id, run_id = str(uuid.uuid4()), str(uuid.uuid4())
    listener = Listener(prompt)
    question = {"id": str(uuid.uuid4()), "role": "user", "content": prompt.text}
    body: dict[str, Any] = {"threadId": thread_id, "runId": run_id, "messages": [question]}
    for seconds in (*cuts, None):
        try:
            async with (
                asyncio.timeout(seconds),
                session.post(url, headers={"Authorization": f"Bearer {token}"}, json=body) as response,
            ):
                if response.status != 200:
                    return StreamResult(f"status {response.status}", 0, 0.0, 0.0)
                async for line in response.content:
                    listener.read(line)
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            pass  # the outcome so far: a cut
        if listener.outcome != "cut":
            break
        # Without an event the question may not have arrived: ask again, which is safe with the same run id.
        if listener.number:
            body = {"threadId": thread_id, "attach": {"runId": run_id, "after": listener.number}}
    return listener.result()


async def listen_to_many(
    url: str, token: str, prompt: Prompt, count: int, cuts: Callable[[], Sequence[float]] = tuple
) -> list[StreamResult]:
    """Ask ``count`` times at once; ``cuts`` returns when a stream's connections are cut."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=READ_LIMIT) as session:
        return list(await asyncio.gather(*(listen(session, url, token, prompt, cuts()) for _ in range(count))))
