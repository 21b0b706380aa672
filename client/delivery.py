"""Streamed, buffered, or in lumps: what the moments of arrival say about the way that the words took.

An agent stamps each event when it makes it. Held back is what arrives later after its stamp than the quickest event
did; the two clocks need not agree, since only differences are compared.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

from client.recording import Mark, Recording

Verdict = Literal["streamed", "buffered", "lumps", "unknown"]

TOGETHER_SECONDS = 0.02
"""Events closer than this count as one piece: the gap is invisible, and parsing takes nearly as long."""

HELD_SECONDS = 0.3
"""A word later than this against the quickest was held back by something; jitter on the way stays below it."""

ENOUGH_SECONDS = 0.4
"""An answer that is made in less time than this tells nothing."""

ALL_AT_ONCE = 0.15
"""Buffered: all arrivals lie within this part of the time that the words were made in."""


class Delivery(NamedTuple):
    """How the words of one answer came.

    Attributes:
        words: how many text events there were.
        pieces: in how many separate arrivals they came.
        made_in: seconds between the making of the first and the last word.
        arrived_in: seconds between the arrival of the first and the last word.
        held: the longest that a word was held back, in seconds.
    """

    verdict: Verdict
    words: int
    pieces: int
    made_in: float
    arrived_in: float
    held: float

    def describe(self) -> str:
        """The verdict with its numbers, in one line."""
        numbers = f"{self.words} words made over {self.made_in:.2f} s arrived over {self.arrived_in:.2f} s"
        if self.verdict == "lumps":
            return f"partly streamed, in lumps of about {self.words / self.pieces:.0f} words: {numbers}"
        pieces = "one piece" if self.pieces == 1 else f"{self.pieces} pieces"
        return f"{self.verdict}: {numbers} in {pieces}, held back at most {self.held * 1000:.0f} ms"


def judge(recording: Recording) -> Delivery:
    """The delivery of a recorded answer; ``unknown`` when it is too short, or its events carry no time."""
    words = recording.deltas
    timed = [(mark.seconds, mark.made) for mark in words if mark.made is not None]
    if len(timed) < 2:
        return Delivery("unknown", len(words), pieces(words), 0.0, 0.0, 0.0)
    arrivals = [arrived for arrived, _ in timed]
    lags = [arrived - made for arrived, made in timed]
    made_in = timed[-1][1] - timed[0][1]
    arrived_in = arrivals[-1] - arrivals[0]
    held = max(lags) - min(lags)
    return Delivery(_verdict(made_in, arrived_in, held), len(words), pieces(words), made_in, arrived_in, held)


def pieces(marks: list[Mark]) -> int:
    """In how many separate arrivals the events came."""
    if not marks:
        return 0
    return 1 + sum(after.seconds - before.seconds > TOGETHER_SECONDS for before, after in pairwise(marks))


def _verdict(made_in: float, arrived_in: float, held: float) -> Verdict:
    if made_in < ENOUGH_SECONDS:
        return "unknown"
    if arrived_in <= ALL_AT_ONCE * made_in:
        return "buffered"
    return "lumps" if held > HELD_SECONDS else "streamed"
