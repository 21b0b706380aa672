"""How a command ends: with a sentence, an exit code, and never a traceback, whatever becomes of its output."""

from __future__ import annotations

import io
import json
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pytest
import typer

import client.__main__
from client.commands import app
from client.commands.target import command
from client.errors import UsageError
from client.terminal import Console
from client.text import PlainDisplay
from tests.client.conftest import Run
from tests.client.test_client_terminal import word


@pytest.fixture
def unread() -> Iterator[TextIO]:
    """A pipe that nobody reads any more."""
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        yield stream


@pytest.fixture
def full() -> Iterator[TextIO]:
    with Path("/dev/full").open("w", encoding="utf-8") as stream:
        yield stream


def code_of(function: Callable[[], None]) -> int:
    """The exit code of a command that does this."""
    try:
        command(function)()
    except typer.Exit as ended:
        return ended.exit_code
    return 0


WRITERS = [
    pytest.param(lambda: print("words"), id="print"),
    pytest.param(lambda: Console().print("words"), id="console"),
    pytest.param(lambda: PlainDisplay().show(word("words")), id="display"),
]


@pytest.mark.parametrize("write", WRITERS)
def test_a_reader_who_leaves_is_no_failure(
    write: Callable[[], None], unread: TextIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", unread)
    assert code_of(write) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("write", WRITERS)
def test_output_that_finds_no_room_is_explained(
    write: Callable[[], None], full: TextIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", full)
    assert code_of(write) == 1
    assert capsys.readouterr().err == (
        "The output cannot be written (No space left on device): send it where there is room.\n"
    )


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, typer.Abort])
def test_ctrl_c_is_130(interruption: type[BaseException]) -> None:
    def interrupted() -> None:
        raise interruption

    assert code_of(interrupted) == 130


def test_ctrl_c_while_it_loads_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(types.ModuleType):
        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "client.commands.app", Interrupted("app"))
    with pytest.raises(SystemExit) as ended:
        client.__main__.main()
    assert ended.value.code == 130


def test_a_stream_without_a_character_for_it_ends_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr(app, "app", lambda prog_name: print(f"“{prog_name}”", flush=True))
    app.run()
    assert written.getvalue() == b"?python -m client?\n"


def test_a_failure_is_one_sentence_or_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    @command
    def fails(as_json: bool) -> None:
        raise UsageError("No\x1b[2J.")

    for as_json in (False, True):
        with pytest.raises(typer.Exit):
            fails(as_json=as_json)
    said = capsys.readouterr()
    assert said.err == "No[2J.\n"
    assert json.loads(said.out)["error"] == "UsageError"


def test_a_command_that_cannot_be_parsed_is_2(run: Run) -> None:
    assert run("ask", "Hello", "--no-such-option").returncode == 2
