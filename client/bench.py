"""Many readers at once: how soon the first word is here, how even the words come, how long it takes."""

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
    """What a benchmark found. Times are seconds.

    Attributes:
        first_words: from the question to the first word, of every answer.
        gaps: between one word and the next, of all answers.
        totals: from the question to the end, of every answer.
        failures: what went wrong, and how often.
        throttled: how many questions were asked again after a 429.
        lasted: the whole benchmark.
    """

    first_words: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    lasted: float = 0.0

    def add(self, answer: Recording) -> None:
        """Count one answer."""
        if answer.ending != "finished" or answer.first_delta is None:
            self.failures[_kind_of(answer)] += 1
            return
        self.first_words.append(answer.first_delta)
        self.gaps += [after.seconds - before.seconds for before, after in pairwise(answer.deltas)]
        self.totals.append(answer.lasted)

    def table(self) -> dict[str, dict[str, float]]:
        """Percentiles in seconds, by what was measured."""
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
    """Ask ``requests`` times, ``users`` at a time, each time in a session of its own.

    Args:
        http: with room for as many connections as users.
        url: the stack's ``invokeUrl``.
        token: gives an ID token that is in force.
        prompt: what to ask.
        users: how many ask at the same time.
        requests: how many questions in all.
        policy: how a question that is throttled is asked again; its clock starts again each time.
        name_session: whether each question names a session of its own; where not, the gateway says which it is.
        advance: is called after each answer.

    Raises:
        ClientError: when there is no token to begin with; one that cannot be renewed later is counted.
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
    """What went wrong, without what differs from one request to the next."""
    if answer.ending != "refused":
        return answer.told() if answer.status == 0 or answer.ending == "error" else f"{answer.status}, {answer.ending}"
    try:
        body: Any = json.loads(answer.body)
        kind = str(body.get("type") or body.get("message") or "")
    except (ValueError, AttributeError, RecursionError):
        kind = str(answer.headers.get("content-type", ""))
    return quoted(f"{answer.status} {kind}".strip())


def percentile(values: Sequence[float], rank: int) -> float:
    """The smallest value that ``rank`` per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(rank / 100 * len(ordered)) - 1)]
