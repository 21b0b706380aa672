"""What the moments of arrival say, how they are drawn, and how many readers are measured."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

import client.exchange
from client.bench import Measured, bench, percentile
from client.commands.app import app
from client.delivery import judge
from client.errors import CutError, SignInError, UsageError
from client.exchange import record
from client.outputs import Outputs
from client.picture import svg, write_png, write_svg
from client.recording import Limits, Mark, Recording
from client.retry import Policy
from client.timeline import draw, held_back, lane_of
from tests import loopback
from tests.client import scripted_server as scripted
from tests.client.conftest import Run
from tests.client.scripted_server import CHUNKED, STREAM, answering, chunk, event, refusal, word
from tests.client.variants import Base

MADE = [0.1 * number for number in range(20)]
"""Twenty words, made a tenth of a second apart."""


def recording(arrivals: list[float], made: list[float] | None = MADE) -> Recording:
    stamps: Sequence[float | None] = made or [None] * len(arrivals)
    timed = zip(arrivals, stamps, strict=True)
    marks = [Mark(at, "delta", f"w{number} ", stamp) for number, (at, stamp) in enumerate(timed)]
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
    delivery = judge(recording([0.5 * (int(at / 0.5 + 1e-9) + 1) for at in MADE]))
    assert delivery.pieces == 4
    assert "lumps of about 5 words" in delivery.describe()


def test_a_recording_keeps_heartbeats_refusals_and_cuts() -> None:
    async def one(url: str) -> Recording:
        async with loopback.AsyncClient() as http:
            return await record(http, url, "token", "Hello")

    now = time.time()
    whole = [STREAM, word("a", now), b": keep-alive\n", word("b", now), event("RUN_FINISHED")]
    with answering(whole, [scripted.refusal(403, "why")], [STREAM, word("a")], []) as server:
        kinds = [mark.kind for mark in asyncio.run(one(server.url)).marks]
        assert kinds == ["delta", "comment", "delta", "event"]
        refused = asyncio.run(one(server.url))
        assert (refused.status, refused.ending) == (403, "refused")
        assert "why" in refused.summary()
        assert asyncio.run(one(server.url)).ending == "cut"
        assert asyncio.run(one(server.url)).status == 0


def test_a_recording_takes_whatever_comes_for_what_it_is() -> None:
    async def one(url: str) -> Recording:
        async with loopback.AsyncClient() as http:
            return await record(http, url, "token", "Hello")

    squeezed = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n"
    )
    odd = [STREAM, b"data: 5\n\n", b"data: " + b"[" * 100_000 + b"\n\n", event("TEXT_MESSAGE_CONTENT", delta=None)]
    unclosed = [CHUNKED, chunk(word("a")), chunk(event("RUN_FINISHED"))]  # and no last chunk
    with answering([squeezed, b"not gzip"], [STREAM, word("a"), *odd[1:]], unclosed) as server:
        assert asyncio.run(one(server.url)).ending == "invalid"
        recorded = asyncio.run(one(server.url))
        assert ([mark.text for mark in recorded.marks], recorded.ending) == (["a"], "invalid")
        assert asyncio.run(one(server.url)).ending == "finished"


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
        async with loopback.AsyncClient() as http:
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


def test_failures_are_counted_by_what_they_are() -> None:
    async def run(url: str) -> Measured:
        async with loopback.AsyncClient() as http:
            return await bench(http, url, token, "Hi", users=1, requests=5, policy=Policy(attempts=1))

    async def token() -> str:
        return "token"

    refused = [[scripted.refusal(403, type="WAF_FILTERED", requestId=str(number))] for number in range(3)]
    with answering(*refused, [STREAM, word("a")], [STREAM, event("RUN_ERROR", code="INTERNAL")]) as server:
        measured = asyncio.run(run(server.url))
    assert measured.failures == {"403 WAF_FILTERED": 3, "200, cut": 1, "RUN_ERROR INTERNAL": 1}


def test_a_benchmark_without_a_sign_in_is_one_error() -> None:
    async def nobody() -> str:
        raise SignInError("Nobody is signed in.")

    async def run() -> None:
        async with loopback.AsyncClient() as http:
            await bench(http, "http://nowhere", nobody, "Hi", users=3, requests=6, policy=Policy())

    with pytest.raises(SignInError):
        asyncio.run(run())


def test_a_token_that_cannot_be_renewed_is_counted() -> None:
    given = iter(["token", "token"])

    async def once() -> str:
        try:
            return next(given)
        except StopIteration:
            raise SignInError("The sign-in has ended.") from None

    async def run(url: str) -> Measured:
        async with loopback.AsyncClient() as http:
            return await bench(http, url, once, "Hi", users=1, requests=3, policy=Policy())

    with answering([STREAM, word("a"), event("RUN_FINISHED")]) as server:
        measured = asyncio.run(run(server.url))
    assert (len(measured.totals), measured.failures) == (1, {"The sign-in has ended.": 2})


@pytest.mark.parametrize(
    ("lasted", "limit"), [(8.0, "idle"), (60.0, "total"), (3.5, None)], ids=["silence", "length", "neither"]
)
def test_a_timeline_that_was_cut_names_the_limit(lasted: float, limit: str | None) -> None:
    marks = [Mark(3.0, "delta", "a"), Mark(lasted - 0.1 if limit == "total" else 3.0, "comment")]
    recorded = Recording("s", status=200, marks=marks, lasted=lasted, silent=lasted - marks[-1].seconds)
    with pytest.raises(CutError) as raised:
        lane_of("dev", recorded, Limits(5, 60))
    assert raised.value.limit == limit


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--compare", "my-stack"], "Pulumi CLI"),
        (["--compare", "no stack!"], "nor a stack's name"),
        (["--compare=--yes"], "nor a stack's name"),
        (["--svg", "/proc/nowhere/picture.svg"], "no folder"),
        (["--svg", "/proc"], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_told_before_the_question_is_asked(
    arguments: list[str], said: str, outputs: Outputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no Pulumi
    path = tmp_path / "outputs.json"
    with answering() as server:
        path.write_text(
            outputs.model_copy(update={"invoke_url": server.url}).model_dump_json(by_alias=True, exclude_none=True)
        )
        done = CliRunner().invoke(app, ["timeline", "Hi", "--outputs", str(path), *arguments])
    assert (done.exit_code, server.requests) == (1, [])
    assert said in done.stderr


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


@pytest.mark.parametrize("stamp", ["1" + "0" * 400, "NaN", "Infinity", "-1e300", "1e18"])
def test_a_stamp_that_is_no_moment_says_nothing_of_the_flow(stamp: str) -> None:
    event_ = b'data: {"type":"TEXT_MESSAGE_CONTENT","delta":"a","timestamp":%b}\n\n' % stamp.encode()
    with answering([STREAM, event_ * 5, event("RUN_FINISHED")]) as server:
        recorded = recorded_from(server.url)
    assert (recorded.ending, len(recorded.deltas), judge(recorded).verdict) == ("finished", 5, "unknown")


@pytest.mark.parametrize("rest", [[scripted.HANG], [b"x" * 200_000, scripted.HANG]])
def test_a_refusal_whose_body_never_ends_is_recorded(rest: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.exchange, "REFUSAL_SECONDS", 0.2)
    with answering([b"HTTP/1.1 503 X\r\ncontent-length: 1000000\r\n\r\n", *rest]) as server:
        recorded = recorded_from(server.url)
    assert (recorded.status, recorded.ending) == (503, "refused")


@pytest.mark.parametrize(("last", "ending"), [("RUN_FINISHED", "finished"), ("RUN_ERROR", "error")])
def test_a_recording_ends_soon_after_the_run(last: str, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.exchange, "LINGER_SECONDS", 0.2)
    with answering([STREAM, word("a"), event(last, code="X", message="no"), scripted.HANG]) as server:
        recorded = recorded_from(server.url)
    assert (recorded.ending, len(recorded.deltas)) == (ending, 1)


def test_a_long_line_is_taken_in_as_fast_as_it_comes() -> None:
    with answering(
        [STREAM, word("a" * 5_000_000), b'data: {"type": "X"}\r', b"\n\r\n", event("RUN_FINISHED")]
    ) as server:
        recorded = recorded_from(server.url)
    assert [len(mark.text) for mark in recorded.deltas] == [5_000_000]
    assert recorded.ending == "finished"


@pytest.mark.parametrize("name", ["caf\udce9.json", "\x1b[31mred", "\ufffe\uffff"])
def test_a_picture_takes_any_name(name: str, tmp_path: Path) -> None:
    lane = dataclasses.replace(lane_of("x", recording([at + 0.2 for at in MADE])), name=name)
    write_svg(tmp_path / "timeline.svg", [lane], f"{name}?")
    ElementTree.fromstring((tmp_path / "timeline.svg").read_text(encoding="utf-8"))  # noqa: S314 - our own


def test_a_second_stack_that_nobody_is_signed_in_to_is_told_before_the_question_is_asked(
    base: Base, tmp_path: Path, run: Run
) -> None:
    given = json.loads((base.folder / "outputs.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps({**given, "demoUsername": None, "demoPassword": None}))
    with answering([refusal(500)]) as server:
        (tmp_path / "first.json").write_text(json.dumps({**given, "invokeUrl": server.url}))
        other = tmp_path / "elsewhere"
        other.mkdir()
        (tmp_path / "other.json").rename(other / "other.json")
        done = run("timeline", "Why?", "--compare", str(other / "other.json"), file=tmp_path / "first.json")
        assert server.requests == []
    assert (done.returncode, "Nobody is signed in" in done.stderr) == (1, True)


def recorded_from(url: str) -> Recording:
    async def one() -> Recording:
        async with loopback.AsyncClient() as http:
            return await asyncio.wait_for(record(http, url, "token", "Hello"), 10)

    return asyncio.run(one())
