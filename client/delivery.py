"""Judges from the arrival times whether an answer was streamed, buffered, or delivered in lumps.

The agent stamps each event with the time at which it was made. An event's delay is its time from stamp to arrival,
minus that of the fastest event; so the two clocks need not agree.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

from client.recording import Mark, Recording

Verdict = Literal["streamed", "buffered", "lumps", "unknown"]

TOGETHER_SECONDS = 0.02
"""Events closer than this count as one piece: the gap is not visible, and parsing takes nearly as long."""

DELAY_SECONDS = 0.3
"""A delay above this means that something delay the event back; network jitter stays below it."""

ENOUGH_SECONDS = 0.4
"""An answer that is made in less time than this cannot be judged."""

ALL_AT_ONCE = 0.15
"""Buffered: all events arrive within this fraction of the time in which they were made."""


class Delivery(NamedTuple):
    """How one answer was delivered.

    Attributes:
        words: the number of text deltas.
        pieces: the number of separate arrivals.
        made_in: seconds between the timestamps of the first and the last delta.
        arrived_in: seconds between the arrivals of the first and the last delta.
        delay: the longest delay in seconds.
    """

    verdict: Verdict
    words: int
    pieces: int
    made_in: float
    arrived_in: float
    delay: float

    def describe(self) -> str:
        """Return the verdict with its numbers, in one line."""
        numbers = f"{self.words} words made over {self.made_in:.2f} s arrived over {self.arrived_in:.2f} s"
        if self.verdict == "lumps":
            return f"partly streamed, in lumps of about {self.words / self.pieces:.0f} words: {numbers}"
        pieces = "one piece" if self.pieces == 1 else f"{self.pieces} pieces"
        return f"{self.verdict}: {numbers} in {pieces}, delay back at most {self.delay * 1000:.0f} ms"


def judge(recording: Recording) -> Delivery:
    """Judge a recorded answer; ``unknown`` when it is too short, or its events have no timestamps."""
    words = recording.deltas
    timed = [(mark.seconds, mark.made) for mark in words if mark.made is not None]
    if len(timed) < 2:
        return Delivery("unknown", len(words), pieces(words), 0.0, 0.0, 0.0)
    arrivals = [arrived for arrived, _ in timed]
    lags = [arrived - made for arrived, made in timed]
    made_in = timed[-1][1] - timed[0][1]
    arrived_in = arrivals[-1] - arrivals[0]
    delay = max(lags) - min(lags)
    return Delivery(_verdict(made_in, arrived_in, delay), len(words), pieces(words), made_in, arrived_in, delay)


def pieces(marks: list[Mark]) -> int:
    """Count the separate arrivals of the events."""
    if not marks:
        return 0
    return 1 + sum(after.seconds - before.seconds > TOGETHER_SECONDS for before, after in pairwise(marks))


def _verdict(made_in: float, arrived_in: float, delay: float) -> Verdict:
    if made_in < ENOUGH_SECONDS:
        return "unknown"
    if arrived_in <= ALL_AT_ONCE * made_in:
        return "buffered"
    return "lumps" if delay > DELAY_SECONDS else "streamed"
