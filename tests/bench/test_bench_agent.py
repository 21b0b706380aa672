"""The comparison judges what it measures, and measures a hang-up over a real socket."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.__main__ import agent_table
from bench.agent import HANG_UP_MS, Comparison, hang_up
from bench.agent_servers import application
from local.doubles.scripted import ScriptedModel
from tests.agent.support import listening


@pytest.mark.parametrize(
    ("better", "ours", "held"),
    [("more", 201.0, True), ("more", 199.0, False), ("less", 199.0, True), ("less", 201.0, False)],
)
def test_a_figure_is_held_against_its_bound(better: str, ours: float, held: bool) -> None:
    row = Comparison("events", "/s", ours, 100.0, better, 200.0)
    assert row.held is held
    output = io.StringIO()
    Console(file=output, width=130).print(agent_table([row]))
    assert ("yes" if held else "no") in output.getvalue()
    assert "200.00" in output.getvalue()


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the scripted model back as it was."""
    monkeypatch.setattr(ScriptedModel, "stream", ScriptedModel.stream)


@pytest.mark.anyio
@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("directive", ["words=1000000 pause=0.01", "words=2 pause=0 silence=3600"])
async def test_the_end_of_the_model_is_seen_from_outside(directive: str) -> None:
    with listening(application("ours")) as url:
        assert 0 <= await hang_up(url, directive) < 10 * HANG_UP_MS
