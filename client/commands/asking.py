"""``ask`` and ``chat``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from client.account import Account, token_fault
from client.commands.target import AsJson, File, Local, Stack, account_of, command, find_outputs
from client.connection import connect
from client.errors import ClientError, UsageError
from client.outputs import Outputs
from client.retry import NEVER, Policy, retrying
from client.stream import Arrival, Limits, ask, new_session
from client.text import Display, JsonDisplay, MarkdownDisplay, PlainDisplay

SESSION_LENGTH = range(33, 257)

Session = Annotated[str | None, typer.Option(help="Go on with this conversation; its id has 33 to 256 characters.")]
Retry = Annotated[bool, typer.Option("--retry/--no-retry", help="Ask again while the API is too busy to begin.")]


class Conversation:
    """Questions to one stack in one session, over one connection.

    Args:
        outputs: the stack's.
        account: who asks.
        session_id: the session to go on with.
        policy: how often to ask again.
    """

    def __init__(
        self, outputs: Outputs, account: Account, *, session_id: str | None = None, policy: Policy = NEVER
    ) -> None:
        if session_id is not None and len(session_id) not in SESSION_LENGTH:
            raise UsageError("A session's id has 33 to 256 characters: leave --session out to begin a new one.")
        self._outputs = outputs
        self._account = account
        self._policy = policy
        self._http = connect(outputs)
        self.session_id = session_id or new_session()

    async def ask(self, prompt: str) -> AsyncGenerator[Arrival, None]:
        """The events of one answer. Raises what `client.stream.ask` raises."""
        token = await self._account.id_token()
        fault = token_fault(token, self._outputs)
        limits = Limits(
            self._outputs.idle_timeout_seconds / self._outputs.time_scale,
            self._outputs.timeout_seconds / self._outputs.time_scale,
        )

        def start() -> AsyncGenerator[Arrival, None]:
            return ask(
                self._outputs.invoke_url,
                token,
                prompt,
                session_id=self.session_id,
                limits=limits,
                token_fault=fault,
                http=self._http,
            )

        async with contextlib.aclosing(retrying(start, self._policy, notice=_tell_of_pause)) as arrivals:
            async for arrival in arrivals:
                yield arrival

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()


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
    policy = Policy() if retry else NEVER

    async def run() -> None:
        conversation = Conversation(outputs, account_of(outputs), session_id=session, policy=policy)
        try:
            await _show(conversation, text, display)
        finally:
            await conversation.close()

    asyncio.run(run())


@command
def chat(
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    session: Session = None,
    retry: Retry = True,
    as_json: AsJson = False,
) -> None:
    """Talk: Ctrl-C stops an answer, Ctrl-D ends. /new begins a new session, /session shows its id."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    interactive = sys.stdin.isatty() and not as_json
    with asyncio.Runner() as runner, _line_history(enabled=interactive):
        policy = Policy() if retry else NEVER
        conversation = Conversation(outputs, account_of(outputs), session_id=session, policy=policy)
        try:
            for line in _lines(interactive=interactive):
                if line == "/new":
                    conversation.session_id = new_session()
                elif line != "/session":
                    _answer(runner, conversation, line, as_json=as_json)
                    continue
                print(f"Session {conversation.session_id}", file=sys.stderr)
        finally:
            runner.run(conversation.close())
    if interactive:
        print(f"\nTo go on: python -m client chat --session {conversation.session_id}", file=sys.stderr)


def _answer(runner: asyncio.Runner, conversation: Conversation, prompt: str, *, as_json: bool) -> None:
    """One turn. What goes wrong in it ends the turn and not the talk, unless nobody is there to go on."""
    try:
        runner.run(_show(conversation, prompt, _display(as_json=as_json)))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    except ClientError as error:
        if not sys.stdin.isatty():
            raise
        print(error, file=sys.stderr)


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
            print("\nCtrl-D ends.", file=sys.stderr)
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
    path = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "agent-stream" / "history"
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(1000)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)  # before the first line is in it: questions are nobody else's business
            readline.write_history_file(path)


def _tell_of_pause(error: ClientError, pause: float) -> None:
    print(f"{error} Asking again in {pause:.1f} s.", file=sys.stderr, flush=True)
