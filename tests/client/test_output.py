"""How a command ends: with a sentence, an exit code, and never a traceback, whatever becomes of its output."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
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
from client.display import PlainDisplay
from client.errors import UsageError
from client.terminal import Console
from local import ROOT
from tests.client.conftest import Run
from tests.client.test_terminal import word
from tests.client.variants import Base, environment_of
from tests.e2e.conftest import PATIENCE


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
        "The output cannot be written (No space left on device): free space, or redirect it.\n"
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
    monkeypatch.setattr(sys, "argv", ["client"])
    program = typer.Typer()

    @program.command()
    def says_its_name(context: typer.Context) -> None:
        print(f"“{context.command_path}”", flush=True)

    monkeypatch.setattr(app, "app", program)
    with pytest.raises(SystemExit) as ended:
        app.run()
    assert ended.value.code == 0
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


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", [("ask", "-"), ("chat",), ("whoami",)])
def test_a_stream_that_the_shell_has_closed_is_no_mistake(
    closed: str, arguments: tuple[str, ...], base: Base, tmp_path: Path
) -> None:
    argv = [sys.executable, "-m", "client", *arguments, "--outputs", str(base.folder / "outputs.json")]
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {closed}', "sh", *argv],
        cwd=ROOT,
        env=environment_of(tmp_path),
        input="Hello [words=1 pause=0]\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr
    if arguments != ("ask", "-") or "<" not in closed:  # which asks an empty question, and is refused
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [("ask", "Hello"), ("chat",), ("doctor", "--only", "sign-in")])
def test_ctrl_c_does_not_wait_for_a_user_pool_that_hangs(
    arguments: tuple[str, ...], base: Base, tmp_path: Path
) -> None:
    """A call in a thread cannot be stopped, and Cognito's takes half a minute to give up."""
    with socket.create_server(("127.0.0.1", 0)) as pool:
        given = json.loads((base.folder / "outputs.json").read_text())
        path = tmp_path / "outputs.json"
        path.write_text(json.dumps({**given, "endpointUrl": f"http://127.0.0.1:{pool.getsockname()[1]}"}))
        process = subprocess.Popen(
            [sys.executable, "-m", "client", *arguments, "--outputs", str(path)],
            cwd=ROOT,
            env=environment_of(tmp_path),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin
        try:
            process.stdin.write("Hello\n")
            process.stdin.close()
            pool.settimeout(PATIENCE)
            connection, _ = pool.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                code = process.wait(10)
        finally:
            process.kill()
            process.wait(PATIENCE)
    # In a talk it stops the answer, and at the end of the input the talk ends well.
    assert code == (0 if arguments == ("chat",) else 130)
