"""Measures many concurrent questions: time to the first word, gaps between words, and total time."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx

from client.errors import ClientError
from client.exchange import record
from client.recording import Recording
from client.retry import Policy
from client.sanitize import quoted

PERCENTILES = (50, 90, 99, 100)


@dataclass(slots=True)
class Measured:
    """A benchmark's results. Times are seconds.

    Attributes:
        first_words: for every answer, the time from the question to the first word.
        gaps: the times between consecutive words, of all answers.
        totals: for every answer, the time from the question to the end.
        failures: the number of failures, by description.
        throttled: the number of retries after a 429.
        lasted: the duration of the whole benchmark.
    """

    first_words: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    lasted: float = 0.0

    def add(self, answer: Recording) -> None:
        """Add one answer."""
        if answer.ending != "finished" or answer.first_delta is None:
            self.failures[_kind_of(answer)] += 1
            return
        self.first_words.append(answer.first_delta)
        self.gaps += [after.seconds - before.seconds for before, after in pairwise(answer.deltas)]
        self.totals.append(answer.lasted)

    def table(self) -> dict[str, dict[str, float]]:
        """Return percentiles in seconds, by measurement."""
        measured = {"firstWord": self.first_words, "gap": self.gaps, "total": self.totals}
        return {
            name: {f"p{rank}": round(percentile(values, rank), 5) for rank in PERCENTILES}
            for name, values in measured.items()
            if values
        }


async def bench(
    http: httpx.AsyncClient,
    url: str,
    token: Callable[[], Awaitable[str]],
    prompt: str,
    *,
    users: int,
    requests: int,
    policy: Policy,
    name_session: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> Measured:
    """Ask ``requests`` questions, ``users`` at a time, each in its own session.

    Args:
        http: a client that allows at least ``users`` connections.
        url: the stack's ``invokeUrl``.
        token: returns a valid ID token.
        prompt: the question.
        users: the number of concurrent questions.
        requests: the total number of questions.
        policy: the retries after a 429; each retry is timed from its own start.
        name_session: whether each question sends its own session header; otherwise the gateway sets the session.
        advance: called after each answer.

    Raises:
        ClientError: when there is no token at the start; a later failure to refresh it is counted.
    """
    await token()
    measured = Measured()
    waiting = iter(range(requests))

    async def user() -> None:
        for _ in waiting:
            try:
                measured.add(await one())
            except ClientError as error:
                measured.failures[str(error)] += 1
            advance()

    async def one() -> Recording:
        for attempt in range(1, policy.attempts + 1):
            answer = await record(http, url, await token(), prompt, name_session=name_session)
            if answer.status != 429 or attempt == policy.attempts:
                break
            measured.throttled += 1
            await asyncio.sleep(policy.pause(attempt))
        return answer

    started = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(users, requests)):
            group.create_task(user())
    measured.lasted = asyncio.get_running_loop().time() - started
    return measured


def _kind_of(answer: Recording) -> str:
    """Describe a failure without details that differ between requests."""
    if answer.ending != "refused":
        return (
            answer.summary() if answer.status == 0 or answer.ending == "error" else f"{answer.status}, {answer.ending}"
        )
    try:
        body: Any = json.loads(answer.body)
        kind = str(body.get("type") or body.get("message") or "")
    except (ValueError, AttributeError, RecursionError):
        kind = str(answer.headers.get("content-type", ""))
    return quoted(f"{answer.status} {kind}".strip())


def percentile(values: Sequence[float], rank: int) -> float:
    """Return the smallest value that ``rank`` per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(rank / 100 * len(ordered)) - 1)]
