"""``ask`` and ``chat``."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from client.commands import loop
from client.commands.target import AsJson, File, Local, Stack, account_of, command, find_outputs
from client.conversation import Conversation
from client.errors import ClientError, SignInError
from client.outputs import Outputs
from client.retry import NEVER, Policy
from client.store import state_folder
from client.terminal import Console, note
from client.text import Display, JsonDisplay, MarkdownDisplay, PlainDisplay

Session = Annotated[str | None, typer.Option(help="Go on with this conversation; its id has 33 to 256 characters.")]
Retry = Annotated[bool, typer.Option("--retry/--no-retry", help="Ask again while the API is too busy to begin.")]


@command
def ask_command(
    prompt: Annotated[str, typer.Argument(help="What to ask; - reads it from standard input.")],
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    session: Session = None,
    retry: Retry = True,
    as_json: AsJson = False,
) -> None:
    """Ask, and print the words as they arrive."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    display = _display(as_json=as_json)
    text = sys.stdin.read() if prompt == "-" else prompt

    async def run() -> None:
        async with _conversation(outputs, session, retry=retry) as conversation:
            try:
                await _show(conversation, text, display)
            finally:
                # In a pipe it would be one line too many; --json has it in every event that begins a run.
                if conversation.begun and sys.stderr.isatty() and not as_json:
                    _tell_how_to_go_on(outputs, conversation)

    loop.run(run())


@command
def chat(
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    session: Session = None,
    retry: Retry = True,
    as_json: AsJson = False,
) -> None:
    """Talk: Ctrl-C stops an answer, Ctrl-D ends; /help lists what else there is."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    interactive = sys.stdin.isatty() and not as_json
    with loop.runner() as runner, _line_history(enabled=interactive):
        conversation = _conversation(outputs, session, retry=retry)
        try:
            for line in _lines(interactive=interactive):
                if re.fullmatch(r"/[a-z]+", line):
                    note(_obey(conversation, line))
                else:
                    _answer(runner, conversation, line, as_json=as_json)
        finally:
            runner.run(conversation.close())
    if interactive and conversation.begun:
        _tell_how_to_go_on(outputs, conversation)


def _conversation(outputs: Outputs, session: str | None, *, retry: bool) -> Conversation:
    policy = Policy() if retry else NEVER
    return Conversation(outputs, account_of(outputs), session_id=session, policy=policy, notice=_tell_of_pause)


def _obey(conversation: Conversation, line: str) -> str:
    """Do what a line that is a command says; what to tell the user of it."""
    if line == "/new":
        conversation.begin_anew()
    elif line != "/session":
        return "/new begins a new session, /session shows its id. Ctrl-C stops an answer, Ctrl-D ends."
    return f"Session {conversation.session_id}"


def _answer(runner: asyncio.Runner, conversation: Conversation, prompt: str, *, as_json: bool) -> None:
    """One turn. What goes wrong in it ends the turn and not the talk, unless nobody is there to go on."""
    try:
        runner.run(_show(conversation, prompt, _display(as_json=as_json)))
    except KeyboardInterrupt:
        note("Stopped.")
    except ClientError as error:
        if not sys.stdin.isatty():
            raise
        note(error)


async def _show(conversation: Conversation, prompt: str, display: Display) -> None:
    try:
        async with contextlib.aclosing(conversation.ask(prompt)) as arrivals:
            async for arrival in arrivals:
                display.show(arrival)
    finally:
        display.end()


def _display(*, as_json: bool) -> Display:
    if as_json:
        return JsonDisplay()
    console = Console()
    # A terminal that cannot move its cursor would show nothing until the end.
    return MarkdownDisplay(console) if console.is_terminal and not console.is_dumb_terminal else PlainDisplay()


def _lines(*, interactive: bool) -> Iterator[str]:
    """The lines that the user types, or that come out of a pipe."""
    while True:
        try:
            line = input("> " if interactive else "").strip()
        except EOFError:
            return
        except KeyboardInterrupt:
            note("\nCtrl-D ends.")
            continue
        if line:
            yield line


@contextlib.contextmanager
def _line_history(*, enabled: bool) -> Iterator[None]:
    """Arrow keys bring back what was asked before, in this talk and earlier ones."""
    try:
        import readline  # noqa: PLC0415 - not there on every platform; where it is, `input` uses it
    except ImportError:
        enabled = False
    if not enabled:
        yield
        return
    try:
        path = state_folder() / "history"
    except SignInError:  # nowhere to remember it
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(1000)
    before = readline.get_current_history_length()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)  # before the first line is in it: questions are nobody else's business
            # Appended: another talk may have ended meanwhile, and what was asked there is kept too.
            readline.append_history_file(readline.get_current_history_length() - before, path)


def _tell_of_pause(error: ClientError, pause: float) -> None:
    note(f"{error} Asking again in {pause:.1f} s.")


def _tell_how_to_go_on(outputs: Outputs, conversation: Conversation) -> None:
    note(f"\nTo go on: python -m client chat{outputs.option} --session {conversation.session_id}")
