"""Every command with a live display, on a terminal as wide as people have them: it ends, and no line is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from client.outputs import read_outputs
from client.signin import Tokens
from client.store import TokenStore
from tests.client.conftest import Run
from tests.client.scripted_server import HANG, STREAM, Part, ScriptedServer, answering, event, word
from tests.client.terminal import Terminal, squeezed
from tests.client.variants import Base

WIDTHS = (60, 80, 120)

QUICK = ("outputs", "sign-in", "authorizer", "deployment", "firewall", "cors", "logs")
"""Checks that ask for no long answer."""

CTRL_C = "\x03"

STOPPED = [
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\nconnection: close\r\n\r\n",
    b'{"stopped": true}',
]
"""What the agent says to `stop`."""


def only(names: Sequence[str]) -> list[str]:
    return [part for name in names for part in ("--only", name)]


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_doctor_ends_and_no_line_of_it_is_lost(columns: int, base: Base, tmp_path: Path, run: Run) -> None:
    report = json.loads(run("doctor", "--json", *only(QUICK)).stdout)
    with Terminal(base, tmp_path, "doctor", *only(QUICK), columns=columns) as terminal:
        assert terminal.until_it_ends() == 0
        shown = terminal.shown()
    assert "Alliswell." in shown
    there = [shown.find(squeezed(f"pass{one['name']}{one['question']}")) for one in report["checks"]]
    assert -1 not in there, [one["name"] for one, where in zip(report["checks"], there, strict=True) if where < 0]
    assert there == sorted(there)
    # What was said of each is there too, up to the first number that differs from one time to the next.
    for one in report["checks"]:
        assert squeezed(re.split(r"\d", one["seen"])[0]) in shown


@pytest.mark.parametrize("columns", WIDTHS)
def test_ctrl_c_ends_the_doctor_and_keeps_what_it_found(
    columns: int, base: Base, tmp_path: Path, tokens: Tokens
) -> None:
    with answering([STREAM, HANG]) as server:
        given = json.loads((base.folder / "outputs.json").read_text())
        path = tmp_path / "outputs.json"
        path.write_text(json.dumps({**given, "invokeUrl": server.url}))
        TokenStore(read_outputs(path)).save(tokens)
        with Terminal(path, tmp_path, "doctor", *only(["streaming"]), columns=columns) as terminal:
            terminal.until_shown("wordsarrive")
            assert server.asked.wait(30)
            terminal.enter(CTRL_C)
            assert terminal.until_it_ends() == 130
            assert "Interrupted:0of1checkswerecompleted." in terminal.shown()


TEXT = [
    "Two paragraphs that are each longer than a narrow terminal is wide, so that they are wrapped. " * 3 + "\n\n",
    "- one\n- two\n- three\n\n",
    "And the beginning of a third, before the tool is called: " + "more and more words " * 12,
]


def answer() -> list[Part]:
    """Text, a tool call in the middle of a paragraph, and text again."""
    pieces = [word(f"{piece} ") for text in TEXT for piece in text.split(" ")]
    call = [
        event("TOOL_CALL_START", toolCallId="t", toolCallName="lookup"),
        event("TOOL_CALL_ARGS", toolCallId="t", delta='{"city": "Rome"}'),
        event("TOOL_CALL_END", toolCallId="t"),
        event("TOOL_CALL_RESULT", toolCallId="t", messageId="r", content="sunny"),
    ]
    after = [word(f"after{number} ") for number in range(80)]
    drawn = 0.2  # what is begun is drawn before what follows comes
    return [STREAM, event("RUN_STARTED"), *pieces, drawn, *call, after[0], drawn, *after[1:], event("RUN_FINISHED")]


@pytest.fixture
def signed_in(base: Base, tmp_path: Path, tokens: Tokens) -> Path:
    """Outputs whose API a test answers for; the file is written by `aimed_at`."""
    path = tmp_path / "outputs.json"
    path.write_text((base.folder / "outputs.json").read_text())
    return path


def aimed_at(server: ScriptedServer, path: Path, tokens: Tokens) -> Path:
    path.write_text(json.dumps({**json.loads(path.read_text()), "invokeUrl": server.url}))
    TokenStore(read_outputs(path)).save(tokens)
    return path


@pytest.mark.parametrize("columns", WIDTHS)
def test_an_answer_is_on_the_screen_once_and_whole(
    columns: int, signed_in: Path, tmp_path: Path, tokens: Tokens
) -> None:
    with answering(answer()) as server:
        outputs = aimed_at(server, signed_in, tokens)
        with Terminal(outputs, tmp_path, "ask", "Hello", columns=columns) as terminal:
            assert terminal.until_it_ends() == 0
            shown = terminal.shown()
    for text in TEXT:
        wanted = squeezed(text.replace("- ", ""))
        assert shown.replace("•", "").count(wanted) == 1, terminal.lines()
    assert (shown.count("callslookup"), shown.count("lookup→sunny")) == (1, 1), terminal.lines()
    for number in range(80):
        assert shown.count(f"after{number}after") + shown.count(f"after{number}Tocontinue") == 1, terminal.lines()


@pytest.mark.parametrize("columns", WIDTHS)
def test_ctrl_c_ends_an_answer_and_keeps_its_words(
    columns: int, signed_in: Path, tmp_path: Path, tokens: Tokens
) -> None:
    with answering([STREAM, event("RUN_STARTED"), *[word(f"word{n} ") for n in range(60)], HANG]) as server:
        outputs = aimed_at(server, signed_in, tokens)
        with Terminal(outputs, tmp_path, "ask", "Hello", columns=columns) as terminal:
            terminal.until_shown("word59")
            terminal.enter(CTRL_C)
            assert terminal.until_it_ends() == 130
            shown = terminal.shown()
    assert squeezed("".join(f"word{n}" for n in range(60))) in shown


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_benchmark_ends_with_its_table(columns: int, base: Base, tmp_path: Path) -> None:
    asked = ["bench", "Hello [words=3 pause=0.01]", "--users", "2", "--requests", "4"]
    with Terminal(base, tmp_path, *asked, columns=columns) as terminal:
        assert terminal.until_it_ends() == 0
        shown = terminal.shown()
    for wanted in ("4answers", "firstword", "betweenwords", "wholeanswer"):
        assert wanted in shown


@pytest.mark.parametrize("columns", WIDTHS)
def test_ctrl_c_ends_a_benchmark(columns: int, signed_in: Path, tmp_path: Path, tokens: Tokens) -> None:
    with answering([STREAM, HANG], [STREAM, HANG]) as server:
        outputs = aimed_at(server, signed_in, tokens)
        with Terminal(outputs, tmp_path, "bench", "--users", "1", "--requests", "2", columns=columns) as terminal:
            terminal.until_shown("1atonce")
            assert server.asked.wait(30)
            terminal.enter(CTRL_C)
            assert terminal.until_it_ends() == 130


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_timeline_fits_the_terminal(columns: int, base: Base, tmp_path: Path) -> None:
    asked = ["timeline", "Why? [words=8 pause=0.02]", "--compare", "buffered"]
    with Terminal(base, tmp_path, *asked, columns=columns) as terminal:
        assert terminal.until_it_ends() == 0
        lines = terminal.lines()
    assert sum("first word" in line for line in lines) == 2
    assert sum("▁" in line or "█" in line for line in lines) == 2


@pytest.mark.parametrize("columns", WIDTHS)
def test_ctrl_c_ends_a_timeline(columns: int, signed_in: Path, tmp_path: Path, tokens: Tokens) -> None:
    with answering([STREAM, event("RUN_STARTED"), word("one "), HANG], STOPPED) as server:
        outputs = aimed_at(server, signed_in, tokens)
        with Terminal(outputs, tmp_path, "timeline", "Hello", columns=columns) as terminal:
            assert server.asked.wait(30)
            terminal.enter(CTRL_C)
            assert terminal.until_it_ends() == 130
            assert "Traceback" not in terminal.shown()
        assert b'"stop"' in server.requests[-1], "the run was left to go on"


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_chat_shows_each_answer_once_and_goes_on_after_ctrl_c(
    columns: int, signed_in: Path, tmp_path: Path, tokens: Tokens
) -> None:
    held = [STREAM, event("RUN_STARTED"), *[word(f"word{n} ") for n in range(60)], HANG]
    whole = [STREAM, event("RUN_STARTED"), *[word(f"then{n} ") for n in range(60)], event("RUN_FINISHED")]
    with answering(held, STOPPED, whole) as server:
        outputs = aimed_at(server, signed_in, tokens)
        with Terminal(outputs, tmp_path, "chat", columns=columns) as terminal:
            terminal.until_shown(">")
            terminal.enter("Hello\r")
            terminal.until_shown("word59")
            terminal.enter(CTRL_C)
            terminal.until_shown("Stopped.>")  # before the prompt is there nobody reads what is typed
            terminal.enter("Again\r")
            terminal.until_shown("then59>")
            terminal.enter("\x04")
            assert terminal.until_it_ends() == 0
            shown = terminal.shown()
    for words in ("word", "then"):
        assert shown.count("".join(f"{words}{n}" for n in range(60))) == 1, terminal.lines()
