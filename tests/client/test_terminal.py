"""What a person sees: words at once, never an escape sequence of the model's, and Ctrl-C that stops only the answer."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from client.display import PlainDisplay
from client.exchange import Arrival
from client.markdown import MarkdownDisplay
from client.sanitize import sanitized
from tests.client.conftest import Run
from tests.client.terminal import Terminal
from tests.client.variants import Base
from tests.e2e.conftest import PATIENCE

CSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What the display itself draws with: colours and movements of the cursor."""


def word(text: str) -> Arrival:
    return Arrival({"type": "TEXT_MESSAGE_CONTENT", "delta": text}, 0.0)


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "\u202egnp.exe", "\x08\x08"])
def test_what_a_model_writes_cannot_drive_the_terminal(text: str) -> None:
    out = io.StringIO()
    PlainDisplay(out).show(word(f"a{text}b"))
    assert not set(out.getvalue()) & {"\x1b", "\x07", "\x08", "\x9b", "\u202e"}
    assert sanitized("tab\tand line\n") == "tab\tand line\n"


def display() -> tuple[MarkdownDisplay, io.StringIO]:
    out = io.StringIO()
    console = Console(
        file=out,
        force_terminal=True,
        width=60,
        height=10,
        legacy_windows=False,
        _environ={"TERM": "xterm"},  # whatever the tests themselves run in
    )
    return MarkdownDisplay(console), out


def test_the_first_word_is_on_the_terminal_when_show_returns() -> None:
    shown, out = display()
    shown.show(word("Hello"))
    assert "Hello" in out.getvalue()
    shown.end()


def test_paragraphs_are_printed_once_and_for_good() -> None:
    shown, out = display()
    shown.show(word("First paragraph.\n\nSecond"))
    shown.end()
    assert out.getvalue().count("First paragraph.") == 1
    assert out.getvalue().rstrip().endswith("Second")


def test_a_blank_line_within_code_does_not_split_it() -> None:
    shown, out = display()
    shown.show(word("```\none\n\ntwo\n```\n\nAfter"))
    shown.end()
    assert "```" not in out.getvalue()


WICKED = "a[/dim]b\x1b]0;pwn\x07"

TOOL_CALL = [
    {"type": "TOOL_CALL_START", "toolCallId": "t", "toolCallName": WICKED},
    {"type": "TOOL_CALL_ARGS", "toolCallId": "t", "delta": '{"city": '},
    {"type": "TOOL_CALL_ARGS", "toolCallId": "t", "delta": f'"{WICKED}"}}'},
    {"type": "TOOL_CALL_END", "toolCallId": "t"},
    {"type": "TOOL_CALL_RESULT", "toolCallId": "t", "messageId": "r", "content": f"sunny\n{WICKED}"},
]


def test_a_tools_name_arguments_and_result_are_neither_markup_nor_escape_sequences() -> None:
    shown, out = display()
    notes = io.StringIO()
    plain = PlainDisplay(io.StringIO(), notes)
    for one in TOOL_CALL:
        shown.show(Arrival(one, 0.0))
        plain.show(Arrival(one, 0.0))
    shown.end()
    name = "a[/dim]b]0;pwn"
    said = [f'calls {name} {{"city": "{name}"}}', f"{name} → sunny {name}"]
    assert notes.getvalue() == "".join(f"[{line}]\n" for line in said)
    lines = "".join(CSI.sub("", out.getvalue()).split())
    assert lines == "".join("".join(said).split())


def test_thoughts_are_folded_to_a_line() -> None:
    notes = io.StringIO()
    plain = PlainDisplay(io.StringIO(), notes)
    for seconds, type_ in enumerate(["START", "CONTENT", "CONTENT", "END"]):
        plain.show(Arrival({"type": f"REASONING_MESSAGE_{type_}", "delta": "ponder"}, float(seconds)))
    assert notes.getvalue() == "[thought for 3.0 s (12 characters; --json has them)]\n"


@pytest.mark.parametrize("wicked", ["&#x1b;]0;pwn&#7;", "&#x202E;gpj.exe", "&#155;31m", "`&#27;` &#x1b;[2J", "\ud800"])
def test_what_is_written_as_an_entity_cannot_drive_the_terminal(wicked: str) -> None:
    shown, out = display()
    shown.show(word(f"see {wicked} [link](http://a{wicked}) end\n\n- {wicked}\n\nAfter"))
    shown.end()
    left = CSI.sub("", out.getvalue()).replace("\r", "").replace("\n", "")
    assert left.isprintable()
    assert "\x1b" not in left


BLOCKS = [
    "A paragraph of *two*\nlines.\n",
    "Steps:\n\n1. Do:\n\n    ```python\n    a = 1\n\n    b = 2\n    ```\n\n2. Then\n\n   more of two\n",
    "- one\n**lazy** continuation\n- two\n\n  its second paragraph\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "`````md\n```\nx\n\ny\n```\n`````\n",
    "Setext\n======\n",
    "> quoted\n> > twice\n",
    "See [x][1].\n\n[1]: https://example.com\n",
    "    indented code\n\n    and more\n",
    "***\n",
    "~~~\nnot closed ```\n~~~\n",
]


@settings(max_examples=20, deadline=None)
@example(blocks=BLOCKS, cuts=[1])
@given(blocks=st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=4), cuts=st.lists(st.integers(1, 40), min_size=1))
def test_blocks_that_arrive_in_pieces_are_shown_as_the_whole_is(blocks: list[str], cuts: list[int]) -> None:
    text = "\n".join(blocks)
    in_one, in_pieces = shown_of([text]), shown_of(pieces_of(text, cuts))
    assert in_pieces == in_one
    assert "```python" not in in_pieces


def shown_of(pieces: Iterable[str]) -> str:
    """What stays on the screen; without a terminal, nothing else is drawn."""
    out = io.StringIO()

    async def show() -> None:
        shown = MarkdownDisplay(Console(file=out, width=60))
        for piece in pieces:
            shown.show(word(piece))
        shown.end()

    asyncio.run(show())
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def pieces_of(text: str, cuts: list[int]) -> Iterator[str]:
    lengths = itertools.cycle(cuts)
    while text:
        length = next(lengths)
        yield text[:length]
        text = text[length:]


def test_ctrl_c_has_room_on_every_line() -> None:
    out = io.StringIO()
    shown = MarkdownDisplay(Console(file=out, width=60))
    shown.show(word(f"{'word ' * 100}\n\n```\n{'x' * 100}\n```\n"))
    shown.end()
    assert max(len(line) for line in out.getvalue().splitlines()) <= 60 - len("^C")


def test_an_answer_in_a_pipe_is_plain_text(run: Run) -> None:
    done = run("ask", "Hello [words=3 pause=0.01]")
    assert (done.returncode, done.stdout) == (0, "You asked: “Hello”\n")


def test_the_question_can_come_from_a_pipe(run: Run) -> None:
    assert "Hello" in run("ask", "-", stdin="Hello [words=3 pause=0.01]").stdout


def test_events_are_json_lines_and_so_is_the_error(run: Run) -> None:
    done = run("ask", "Hello [words=3 pause=0.01 fail=throttled at=2]", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert lines[0]["type"] == "RUN_STARTED"
    assert lines[-1] == {**lines[-1], "type": "CLIENT_ERROR", "error": "AgentError", "code": "MODEL_THROTTLED"}


def test_a_session_remembers_its_owner_and_is_kept(run: Run) -> None:
    talk = run("chat", stdin="One [words=3 pause=0.01]\n/session\nTwo [words=3 pause=0.01]\n")
    assert talk.returncode == 0, talk.stderr
    assert talk.stdout == "You asked: “One”\nYou asked: “Two”\n"
    assert len(talk.stderr.split("Session ")[1].split()[0]) == 36


def test_a_session_id_of_the_wrong_length_is_refused(run: Run) -> None:
    done = run("ask", "Hello", "--session", "short")
    assert done.returncode == 1
    assert "33 to 256" in done.stderr


def test_what_looks_like_a_command_is_not_asked(run: Run) -> None:
    done = run("chat", stdin="/help\n/quit\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("/new starts a new session") == 2


def test_an_answer_tells_how_to_go_on_with_it(base: Base, tmp_path: Path) -> None:
    terminal = Terminal(base, tmp_path, "ask", "Hello [words=3 pause=0.01]")
    try:
        terminal.until(f"chat --outputs {base.folder}/outputs.json --session ")
        assert terminal.process.wait(PATIENCE) == 0
    finally:
        terminal.close()


@pytest.mark.parametrize("arguments", [["--stack", "dev", "--local"], ["--local"]])
def test_two_stacks_at_once_are_refused(arguments: list[str], run: Run) -> None:
    done = run("ask", "Hello", *arguments)
    assert done.returncode == 1
    assert "pass one of them" in done.stderr


@pytest.fixture
def chat(base: Base, tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(base, tmp_path, "chat")
    try:
        yield terminal
    finally:
        terminal.close()


def test_ctrl_c_stops_the_answer_and_not_the_talk(chat: Terminal, tmp_path: Path) -> None:
    chat.until("> ")
    chat.enter("Tell me a long one [words=300 pause=0.05]\n")
    chat.until("answer")
    chat.enter("\x03")
    chat.until("Stopped.")
    chat.until("> ")
    chat.enter("Again [words=3 pause=0.01]\n")
    chat.until("“Again”")
    chat.until("> ")
    chat.enter("\x04")
    chat.until("--outputs")
    chat.until("--session")
    assert chat.process.wait(PATIENCE) == 0
    history = tmp_path / "agent-stream" / "history"
    assert history.stat().st_mode & 0o077 == 0


def test_what_was_asked_in_two_talks_at_once_is_remembered_of_both(base: Base, tmp_path: Path) -> None:
    talks = [Terminal(base, tmp_path, "chat") for _ in range(2)]
    try:
        for number, talk in enumerate(talks):
            talk.until("> ")
            talk.enter(f"Question {number} [words=1 pause=0]\n")
            talk.until("> ")
        for talk in talks:
            talk.enter("\x04")
            talk.until("--session")
            assert talk.process.wait(PATIENCE) == 0
    finally:
        for talk in talks:
            talk.close()
    remembered = (tmp_path / "agent-stream" / "history").read_text()
    assert [f"Question {number}" in remembered for number in range(2)] == [True, True]
