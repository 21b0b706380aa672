"""What the moments of arrival say, how they are drawn, and how many readers are measured."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from rich.console import Console

from client.bench import Measured, bench, percentile
from client.errors import UsageError
from client.flow import judge
from client.picture import svg, write_png
from client.recording import Mark, Recording, record
from client.retry import Policy
from client.timeline import draw, held_back, lane_of
from tests.client import scripted_server as scripted
from tests.client.conftest import Run
from tests.client.scripted_server import STREAM, answering, event, word

MADE = [0.1 * number for number in range(20)]
"""Twenty words, made a tenth of a second apart."""


def recording(arrivals: list[float], made: list[float] | None = MADE) -> Recording:
    stamps: Sequence[float | None] = made or [None] * len(arrivals)
    timed = zip(arrivals, stamps, strict=True)
    marks = [Mark(at, "word", f"w{number} ", stamp) for number, (at, stamp) in enumerate(timed)]
    return Recording("s", status=200, marks=marks, ending="finished", lasted=arrivals[-1])


@pytest.mark.parametrize(
    ("arrivals", "verdict"),
    [
        pytest.param([at + 0.2 for at in MADE], "streamed", id="a constant delay"),
        pytest.param([at + 0.2 + 0.1 * (number % 2) for number, at in enumerate(MADE)], "streamed", id="jitter"),
        pytest.param([2.0] * 20, "buffered", id="all at the end"),
        pytest.param([2.0 + 0.01 * number for number in range(20)], "buffered", id="all at the end, sent slowly"),
        pytest.param([0.5 * (int(at / 0.5) + 1) for at in MADE], "lumps", id="five at a time"),
    ],
)
def test_the_verdict_follows_the_arrivals(arrivals: list[float], verdict: str) -> None:
    assert judge(recording(arrivals)).verdict == verdict


def test_clocks_need_not_agree() -> None:
    assert judge(recording([at + 0.2 for at in MADE], [at + 1e9 for at in MADE])).verdict == "streamed"


def test_words_without_a_time_and_short_answers_are_not_judged() -> None:
    assert judge(recording(MADE, None)).verdict == "unknown"
    assert judge(recording([0.1, 0.2], [0.1, 0.2])).verdict == "unknown"
    assert judge(Recording("s")).verdict == "unknown"


def test_lumps_are_counted() -> None:
    flow = judge(recording([0.5 * (int(at / 0.5 + 1e-9) + 1) for at in MADE]))
    assert flow.pieces == 4
    assert "lumps of about 5 words" in flow.describe()


def test_a_recording_keeps_heartbeats_refusals_and_cuts() -> None:
    async def one(url: str) -> Recording:
        async with httpx.AsyncClient(trust_env=False) as http:
            return await record(http, url, "token", "Hello")

    now = time.time()
    whole = [STREAM, word("a", now), b": keep-alive\n\n", word("b", now), event("RUN_FINISHED")]
    with answering(whole, [scripted.refusal(403, "why")], [STREAM, word("a")], []) as server:
        kinds = [mark.kind for mark in asyncio.run(one(server.url)).marks]
        assert kinds == ["word", "comment", "word", "event"]
        refused = asyncio.run(one(server.url))
        assert (refused.status, refused.ending) == (403, "refused")
        assert "why" in refused.told()
        assert asyncio.run(one(server.url)).ending == "cut"
        assert asyncio.run(one(server.url)).status == 0


def test_the_runtimes_refusal_is_told_from_the_gateways() -> None:
    challenged = httpx.Headers({"x-amzn-remapped-www-authenticate": "Bearer"})
    assert Recording("s", status=401, headers=challenged).by_runtime
    assert Recording("s", status=401, body=b'{"message":"Missing Authentication Token"}').by_runtime
    assert not Recording("s", status=401, body=b'{"message":"Unauthorized"}').by_runtime
    assert not Recording("s", status=403, body=b'{"message":"Missing Authentication Token"}').by_runtime


def test_a_picture_has_a_line_for_every_word() -> None:
    one = recording([at + 0.2 for at in MADE])
    lane = lane_of("stream", one)
    root = ElementTree.fromstring(  # noqa: S314 - our own
        svg([lane, held_back(lane, one)], "A <question> & \x1b[31mmore")
    )
    lines = [line for line in root.iter("{http://www.w3.org/2000/svg}line") if line.get("stroke-width")]
    assert len(lines) == 40
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == "A <question> & [31mmore: when each word arrived"


def test_a_picture_of_points_needs_its_renderer(tmp_path: Path) -> None:
    lane = lane_of("stream", recording(MADE))
    path = tmp_path / "timeline.png"
    try:
        write_png(path, [lane], "A question")
    except UsageError as error:
        assert "resvg-py" in str(error)  # noqa: PT017 - either outcome is right, by what is installed
    else:
        assert path.read_bytes().startswith(b"\x89PNG")


def test_an_answer_on_a_narrow_terminal_is_drawn_within_it() -> None:
    console = Console(width=60, record=True, file=io.StringIO())
    console.print(draw([lane_of("a stack with quite a long name that goes on", recording(MADE))], console.width))
    assert max(len(line) for line in console.export_text().splitlines()) <= 60


@pytest.mark.parametrize(("rank", "value"), [(50, 50), (90, 90), (99, 99), (100, 100)])
def test_percentiles_are_values_that_occurred(rank: int, value: int) -> None:
    assert percentile(range(1, 101), rank) == value
    assert percentile([7.0], rank) == 7.0


def test_a_benchmark_counts_every_answer_once() -> None:
    whole = [STREAM, word("a"), word("b"), event("RUN_FINISHED")]
    answers = [whole, [scripted.refusal(429)], whole, [scripted.refusal(500)], whole]
    advanced: list[None] = []

    async def token() -> str:
        return "token"

    async def run(url: str) -> Measured:
        async with httpx.AsyncClient(trust_env=False) as http:
            policy = Policy(attempts=2, first=0.01)
            return await bench(
                http, url, token, "Hi", users=1, requests=4, policy=policy, advance=lambda: advanced.append(None)
            )

    with answering(*answers) as server:
        measured = asyncio.run(run(server.url))
    assert len(measured.totals) == len(measured.first_words) == 3
    assert measured.throttled == 1
    assert measured.failures.total() == 1
    assert len(advanced) == 4
    assert set(measured.table()) == {"firstWord", "gap", "total"}


def test_the_timeline_command_draws_and_writes(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "timeline.svg"
    done = run("timeline", "Hello [words=10 pause=0.06]", "--compare", "buffered", "--svg", str(path), "--json")
    lanes = json.loads(done.stdout)
    assert [lane["verdict"] for lane in lanes] == ["streamed", "buffered"]
    assert len(lanes[0]["arrivals"]) == 10
    assert ElementTree.parse(path).getroot().tag.endswith("svg")  # noqa: S314 - our own


def test_the_bench_command_reports(run: Run) -> None:
    done = run("bench", "Hello [words=3 pause=0.01]", "--users", "3", "--requests", "6", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert report["answers"] == 6
    assert report["percentiles"]["firstWord"]["p50"] > 0
