"""Draws when each word arrived: one lane per answer, on a common time axis."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from client.delivery import Delivery, judge
from client.errors import ProtocolError
from client.recording import Limits, Mark, Recording

DENSITY = "▁▂▃▄▅▆▇█"
"""The height of a lane's column shows the number of words that arrived in it."""

WAITING = "·"
HEARTBEAT = "♥"


@dataclass(frozen=True, slots=True)
class Lane:
    """One answer.

    Attributes:
        name: the lane's label: what gave the answer.
        deltas: the arrival times of the text deltas, in seconds since the question.
        heartbeats: the arrival times of the comments.
        lasted: when the answer ended.
        delivery: how the answer was delivered.
    """

    name: str
    deltas: tuple[float, ...]
    heartbeats: tuple[float, ...]
    lasted: float
    delivery: Delivery

    @property
    def first_word(self) -> float:
        """Seconds until the first text."""
        return self.deltas[0]

    @property
    def last_word(self) -> float:
        """Seconds until the last text."""
        return self.deltas[-1]

    def facts(self) -> dict[str, object]:
        """Return the lane's numbers as JSON."""
        return {
            "name": self.name,
            "verdict": self.delivery.verdict,
            "firstWordSeconds": round(self.first_word, 4),
            "lastWordSeconds": round(self.last_word, 4),
            "words": len(self.deltas),
            "pieces": self.delivery.pieces,
            "heldBackSeconds": round(self.delivery.delay, 4),
            "arrivals": [round(word, 4) for word in self.deltas],
            "heartbeats": [round(beat, 4) for beat in self.heartbeats],
        }


def lane_of(name: str, recording: Recording, limits: Limits | None = None) -> Lane:
    """Return the lane of a recorded answer.

    Args:
        name: the lane's label: what gave the answer.
        recording: the answer.
        limits: the stack's, to name the one that cut it.

    Raises:
        ClientError: when the answer failed or has no text.
    """
    if failure := recording.failure(limits):
        raise failure
    deltas = tuple(mark.seconds for mark in recording.deltas)
    if not deltas:
        raise ProtocolError(f"The answer of {name} has no text, so there is nothing to draw: ask another question.")
    heartbeats = tuple(mark.seconds for mark in recording.marks if mark.kind == "comment")
    return Lane(name, deltas, heartbeats, recording.lasted, judge(recording))


def held_back(lane: Lane, recording: Recording) -> Lane:
    """Return the same answer as a buffering gateway would deliver it, all at the end. Computed, not measured."""
    end = recording.lasted
    marks = [Mark(end, mark.kind, mark.text, mark.made) for mark in recording.marks if mark.kind != "comment"]
    copy = Recording(recording.session_id, status=200, marks=marks, ending="finished", lasted=end)
    return Lane(f"{lane.name}, if buffered (computed)", (end,) * len(lane.deltas), (), end, judge(copy))


def draw(lanes: list[Lane], width: int) -> Group:
    """Draw the lanes for a terminal with `width` columns."""
    longest = max(lane.lasted for lane in lanes)
    columns = max(20, min(120, width - 2))
    lines: list[Text] = []
    for lane in lanes:
        told = f"first word {lane.first_word:.2f} s, last {lane.last_word:.2f} s"
        room = max(8, columns - len(told) - 1)
        name = lane.name if len(lane.name) <= room else f"…{lane.name[1 - room :]}"
        lines += [Text.assemble((f"{name:<{room}} ", "bold"), told), _bar(lane, longest, columns)]
        lines += [Text(lane.delivery.describe(), style="dim"), Text()]
    end = f"{longest:.2f} s"
    lines.append(Text(f"0 s{end:>{columns - 3}}", style="dim"))
    return Group(*lines)


def _bar(lane: Lane, longest: float, columns: int) -> Text:
    def column(seconds: float) -> int:
        return min(columns - 1, int(seconds / longest * columns))

    counts = [0] * columns
    for word in lane.deltas:
        counts[column(word)] += 1
    beats = {column(beat) for beat in lane.heartbeats}
    end, first, most = column(lane.lasted), column(lane.first_word), max(counts)
    text = Text()
    for position in range(end + 1):
        if counts[position]:
            text.append(DENSITY[(counts[position] * len(DENSITY) - 1) // most], style="cyan")
        elif position in beats:
            text.append(HEARTBEAT, style="red")
        else:
            text.append(WAITING, style="dim yellow" if position < first else "dim")
    return text
