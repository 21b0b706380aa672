"""The benchmark judges what it measures, tells what it could not, and measures a hang-up over a real socket."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.agent import hang_up
from bench.agent_servers import application
from bench.figures import Absent, Figure
from bench.report import page, table
from local.doubles.scripted import ScriptedModel
from tests.agent.support import listening


def figure(better: str, ours: float, goal: float | None = 2.0) -> Figure:
    return Figure("events", "/s", "a peer", [ours - 10, ours, ours + 20], [100.0, 100.0, 100.0], better, goal)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("better", "ours", "held"),
    [("more", 201.0, True), ("more", 199.0, False), ("less", 49.0, True), ("less", 51.0, False)],
)
def test_a_figure_is_held_against_its_goal_as_a_ratio_of_medians(better: str, ours: float, held: bool) -> None:
    row = figure(better, ours)
    assert row.held is held
    output = io.StringIO()
    Console(file=output, width=150).print(table("Figures", [row]))
    assert ("NOT HELD" not in output.getvalue()) is held


def test_a_figure_without_a_goal_is_only_told() -> None:
    assert figure("more", 1.0, None).held


def test_the_page_has_each_figure_and_what_was_not_measured() -> None:
    rows: list[Figure | Absent] = [figure("more", 250.0), Absent("two hops", "nginx is not installed")]
    text = "\n".join(page([("Figures", rows)], 3, ["A sentence."]))
    assert "| events | 250 /s (240 to 270) | 100 /s | a peer | 2.5x | 2 held |" in text
    assert "| two hops | not measured: nginx is not installed |" in text
    assert text.endswith("A sentence.")


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the scripted model back as it was."""
    monkeypatch.setattr(ScriptedModel, "stream", ScriptedModel.stream)


@pytest.mark.anyio
@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("directive", ["words=1000000 pause=0.01", "words=2 pause=0 silence=3600"])
async def test_the_end_of_the_model_is_seen_from_outside(directive: str) -> None:
    """Measured in milliseconds, far from the hour that the model would go on."""
    with listening(application("ours")) as url:
        assert 0 <= await hang_up(url, directive) < 5_000
