"""Many streams at once against a running chain, each checked word by word."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import aiohttp

from local.scripted import Script

SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
READ_LIMIT = 2**16


class Heard(NamedTuple):
    """How one stream went.

    Attributes:
        outcome: ``whole``, ``cut``, ``error CODE`` or ``status N``; ``garbled`` when words are missing, doubled or out
            of order.
        words: text events that came.
        first_word: seconds from the question.
        longest_gap: seconds between two arrivals.
    """

    outcome: str
    words: int
    first_word: float
    longest_gap: float


class Prompt(NamedTuple):
    """A prompt, and the words that the scripted model answers it with."""

    text: str

    @property
    def words(self) -> Sequence[str]:
        """The expected answer."""
        return Script.of(self.text).answer()


async def listen(session: aiohttp.ClientSession, url: str, token: str, prompt: Prompt) -> Heard:
    """Ask once and check every event of the answer."""
    headers = {"Authorization": f"Bearer {token}", SESSION_HEADER: str(uuid.uuid4())}
    started = last = time.monotonic()
    first_word = longest_gap = 0.0
    said: list[str] = []
    outcome = "cut"
    try:
        async with session.post(url, headers=headers, json={"prompt": prompt.text}) as response:
            if response.status != 200:
                return Heard(f"status {response.status}", 0, 0.0, 0.0)
            async for line in response.content:
                now = time.monotonic()
                longest_gap, last = max(longest_gap, now - last), now
                if not line.startswith(b"data: "):
                    continue
                event = json.loads(line[6:])
                if event["type"] == "TEXT_MESSAGE_CONTENT":
                    first_word = first_word or now - started
                    said.append(event["delta"].strip())
                elif event["type"] == "RUN_ERROR":
                    outcome = f"error {event['code']}"
                elif event["type"] == "RUN_FINISHED":
                    outcome = "whole"
    except (aiohttp.ClientError, ConnectionError):
        pass  # the outcome so far: a cut
    expected = list(prompt.words)
    if said != expected[: len(said)] or (outcome == "whole" and said != expected):
        outcome = "garbled"
    return Heard(outcome, len(said), first_word, longest_gap)


async def listen_to_many(url: str, token: str, prompt: Prompt, count: int) -> list[Heard]:
    """Ask so many times at once."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=READ_LIMIT) as session:
        return list(await asyncio.gather(*(listen(session, url, token, prompt) for _ in range(count))))
