"""What the doctor prints, when, and with which exit code, whoever listens."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from client.commands import doctor as command
from client.doctor.check import Result, Status
from client.doctor.checks import CHECKS
from client.doctor.report import Outlet, Report
from client.exchange import record
from client.recording import Recording
from tests import loopback
from tests.client.conftest import Run
from tests.client.scripted_server import HANG, STREAM, answering, word
from tests.client.variants import Base, environment_of, fork
from tests.e2e.conftest import PATIENCE

PAGE = "https://docs.aws.amazon.com/" + "a-long-path/" * 12

WELL = Result("outputs", "the outputs agree", "pass", "all agree", page=PAGE)
BROKEN = Result("sign-in", "a user can sign in", "fail", "nobody can", why="w", change="c", page=PAGE)
UNKNOWN = Result("authorizer", "who is let in", "inconclusive", "needs a sign-in", page=PAGE)

OUTPUTS = {"region": "us-east-1", "invokeUrl": "http://127.0.0.1:1/dev/invocations", "userPoolId": "us-east-1_x"}


def examined(*results: Result, then: BaseException | None = None) -> Callable[..., Any]:
    """In place of an examination: these results, one after the other, and how it ends."""

    async def diagnose(*_: Any, done: Callable[[Result], None], **__: Any) -> None:
        for result in results:
            done(result)
        if then is not None:
            raise then

    return diagnose


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({**OUTPUTS, "userPoolClientId": "c", "issuer": "https://x.example/us-east-1_x"}))
    return path


def run_doctor(monkeypatch: pytest.MonkeyPatch, file: Path, diagnose: Callable[..., Any], *, as_json: bool) -> int:
    monkeypatch.setattr(command, "diagnose", diagnose)
    try:
        command.doctor(file=file, as_json=as_json)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


@pytest.mark.parametrize(
    ("results", "then", "code"),
    [
        ([WELL], None, 0),
        ([WELL, BROKEN, UNKNOWN], None, 1),
        ([WELL, UNKNOWN], None, 2),
        ([WELL], KeyboardInterrupt(), 130),
        ([WELL], ValueError("nobody thought of this"), 2),
    ],
)
def test_a_report_for_a_program_has_one_shape_however_it_ends(
    results: list[Result],
    then: BaseException | None,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_doctor(monkeypatch, file, examined(*results, then=then), as_json=True) == code
    report = json.loads(capsys.readouterr().out)
    assert {*report} == {"exitCode", "message", "checks"}
    assert report["exitCode"] == code
    assert [one["name"] for one in report["checks"]] == [one.name for one in results]
    assert bool(report["message"]) == (then is not None)


def test_outputs_that_are_none_have_the_same_shape(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[]")
    with pytest.raises(typer.Exit) as ended:
        command.doctor(file=file, as_json=True)
    report = json.loads(capsys.readouterr().out)
    assert (ended.value.exit_code, {*report}) == (2, {"exitCode", "message", "checks"})


def test_a_missing_output_is_a_finding_of_the_first_check(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(json.dumps(OUTPUTS))
    with pytest.raises(typer.Exit) as ended:
        command.doctor(file=file, as_json=True)
    assert ended.value.exit_code == 1
    first, *others = json.loads(capsys.readouterr().out)["checks"]
    assert (first["name"], first["status"]) == ("outputs", "fail")
    assert "userPoolClientId" in first["seen"]
    assert {one["status"] for one in others} == {"skipped"}


def test_what_was_found_before_an_interrupt_stays(
    monkeypatch: pytest.MonkeyPatch, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_doctor(monkeypatch, file, examined(WELL, BROKEN, then=KeyboardInterrupt()), as_json=False) == 130
    printed = capsys.readouterr()
    assert "nobody can" in printed.out
    assert f"2 of {len(CHECKS)} checks" in printed.err


def test_each_result_is_printed_when_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=False)
    report.done(WELL)
    assert "all agree" in capsys.readouterr().out
    report.done(BROKEN)
    assert "nobody can" in capsys.readouterr().out


def test_off_a_terminal_nothing_is_wrapped_and_an_address_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=False)
    report.done(BROKEN)
    assert f"{PAGE}\n" in capsys.readouterr().out


def test_on_a_narrow_terminal_no_letter_of_an_address_is_lost() -> None:
    screen = io.StringIO()
    report = Report(as_json=False, console=Console(file=screen, width=60, force_terminal=True, color_system=None))
    report.done(BROKEN)
    assert PAGE in screen.getvalue().replace("\n", "").replace(" ", "")


def test_what_needs_a_sign_in_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=False)
    for name in ("authorizer", "streaming", "cors"):
        report.done(Result(name, "?", "inconclusive", "needs a sign-in"))
    assert report.end() == 2
    assert "needs a sign-in, which failed: authorizer, streaming, cors\n" in capsys.readouterr().out


def test_a_reader_who_left_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        outlet = Outlet()
        outlet.write("x" * 100_000)
        outlet.flush()
        outlet.write("more")
        monkeypatch.undo()


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_a_full_disk_does_not_change_the_exit_code(extra: list[str], base: Base, tmp_path: Path) -> None:
    errors = tmp_path / "err"
    streams = {0: Path(os.devnull), 1: Path("/dev/full"), 2: errors}
    arguments = ["doctor", "--only", "deployment", "--outputs", str(base.folder / "outputs.json"), *extra]
    process = fork("client", arguments, environment_of(tmp_path), streams)
    process.join(PATIENCE)
    assert process.exitcode == 0, errors.read_text()
    assert errors.read_text().splitlines() == ["The report cannot be written: No space left on device."]


def test_outputs_of_another_api_are_a_finding(base: Base, run: Run) -> None:
    path = base.folder / "other-api.json"  # beside the graphs that the gateway serves
    path.write_text(json.dumps({**json.loads((base.folder / "outputs.json").read_text()), "restApiId": "other"}))
    try:
        done = run("doctor", "--only", "deployment", "--json", file=path)
    finally:
        path.unlink()
    assert done.returncode == 1
    assert "serves no REST API other" in done.stdout


def asked(begin: float | None, end: float | None, *answer: Any) -> tuple[int, str, int]:
    """Status, ending and number of words, of an answer that was given so much time to begin and to end."""

    async def ask() -> tuple[int, str, int]:
        with answering([*answer]) as server:
            async with loopback.AsyncClient() as http:
                made = await record(http, server.url, None, "Hello", begin_within=begin, end_within=end)
        return made.status, made.ending, len(made.deltas)

    return asyncio.run(ask())


def test_an_answer_that_does_not_begin_in_time_is_late() -> None:
    assert asked(0.1, None, HANG) == (0, "late", 0)


def test_an_answer_that_begins_in_time_may_take_as_long_as_it_likes() -> None:
    assert asked(0.4, None, STREAM, word("a"), 0.5, word("b")) == (200, "cut", 2)


def test_an_answer_that_does_not_end_in_time_keeps_what_came() -> None:
    assert asked(None, 0.3, STREAM, word("a"), HANG) == (200, "late", 1)


@pytest.mark.parametrize("status", ["fail", "inconclusive", "skipped"])
def test_what_a_server_says_cannot_drive_the_terminal_of_whoever_examines_it(
    status: Status, capsys: pytest.CaptureFixture[str]
) -> None:
    wicked = "403 \x1b]0;owned\x07\x9b2J\u202e"
    Report(as_json=False).done(
        dataclasses.replace(BROKEN, status=status, seen=wicked, why=wicked, change=wicked, not_checked=(wicked,))
    )
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & {*capsys.readouterr().out}


def test_a_refusal_is_quoted_in_one_line() -> None:
    answer = Recording("s", status=403, ending="refused", body=b"no\x1b[2J\nok      sign-in  all is well")
    assert answer.summary() == "403 no[2J ok sign-in all is well"


def test_an_examination_without_a_check_is_not_taken_for_a_stack_that_is_well(run: Run) -> None:
    done = run("doctor", "--only", "cors", "--skip", "cors")
    assert (done.returncode, "No check is left to run" in done.stderr, "All is well" in done.stdout) == (2, True, False)


@pytest.mark.parametrize("origin", ["https://page.example/", "https://p\u00e4ge.example", "page.example", "https://"])
def test_an_origin_that_no_browser_sends_is_refused(origin: str, run: Run) -> None:
    done = run("doctor", "--only", "cors", "--origin", origin)
    assert (done.returncode, "--origin" in done.stderr, done.stdout) == (2, True, "")
