"""A figure of the benchmark: ours beside a peer's, measured in turn on the same machine, and reported as a ratio.

An absolute time depends more on the machine than on the program, so no goal is an absolute time.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

Rounds = Callable[[str], Iterable[object]]
"""The rounds of a measurement, one sample of each side in each; takes what is shown while it goes on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One measure of two sides.

    Attributes:
        what: the name of the measure.
        unit: of the samples.
        peer: the name of the peer.
        ours: our samples, taken in turn with the peer's, so that a busy machine affects both.
        theirs: the peer's samples.
        better: whether more is better, or less.
        goal: the least `ratio` that is promised; None without a promise.
    """

    what: str
    unit: str
    peer: str
    ours: Sequence[float]
    theirs: Sequence[float]
    better: Literal["more", "less"] = "less"
    goal: float | None = None

    @property
    def ratio(self) -> float:
        """How many times better our median is; above one is better."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        better, worse = (ours, theirs) if self.better == "more" else (theirs, ours)
        return better / worse if worse else float("inf")

    @property
    def held(self) -> bool:
        """Whether the goal is reached."""
        return self.goal is None or self.ratio >= self.goal


@dataclasses.dataclass(frozen=True, slots=True)
class Absent:
    """A figure that could not be measured here, and why."""

    what: str
    why: str


def spread(samples: Sequence[float], unit: str) -> str:
    """The median and the range of the samples: ``5.1 ms (4.9 to 6.0)``."""
    median, least, most = (number(one) for one in (statistics.median(samples), min(samples), max(samples)))
    return f"{median} {unit}" + ("" if least == most else f" ({least} to {most})")


def number(value: float) -> str:
    """A number with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
