"""A figure of the benchmark: ours beside a peer's, measured in turn on the same machine, and told as a ratio.

An absolute time says more about a machine than about a program, so none of them is promised.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Literal


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One measure of two sides.

    Attributes:
        what: is measured.
        unit: of the samples.
        peer: what ours is measured beside.
        ours: samples, taken in turn with the peer's, so that a busy machine is busy for both.
        theirs: the peer's samples.
        better: whether more is better, or less.
        goal: the least `ratio` that holds; None for a figure that is only told.
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
    """The median, and between what the samples lie: ``5.1 ms (4.9 to 6.0)``."""
    median, least, most = (number(one) for one in (statistics.median(samples), min(samples), max(samples)))
    return f"{median} {unit}" + ("" if least == most else f" ({least} to {most})")


def number(value: float) -> str:
    """Three digits that say something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
