"""``ask``, ``chat``, ``attach``, ``stop`` and ``history``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated

import typer

from client.commands import loop
from client.commands.notices import tell_how_to_go_on, tell_of_cut
from client.commands.prompt import line_history, lines
from client.commands.target import AsJson, File, Local, Stack, account_of, command, find_outputs
from client.conversation import Conversation
from client.display import Display, display_for, show_message
from client.errors import ClientError
from client.exchange import Arrival
from client.outputs import Outputs
from client.retry import NEVER, Policy
from client.terminal import Console, note
from client.traces import reason, trace_file, trace_of, tree

Session = Annotated[str | None, typer.Option(help="Go on with this conversation; its id has 33 to 256 characters.")]
That = Annotated[str, typer.Option("--session", help="The conversation.")]
Retry = Annotated[bool, typer.Option("--retry/--no-retry", help="Go on after a cut, and ask again what may pass.")]


@command
def ask_command(
    prompt: Annotated[str, typer.Argument(help="What to ask; - reads it from standard input.")],
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    session: Session = None,
    retry: Retry = True,
    trace: Annotated[bool, typer.Option("--trace", help="Then show the run's spans, of a local run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask, and print the words as they arrive. Ctrl-C stops the answer, a second one leaves at once."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    text = sys.stdin.read() if prompt == "-" else prompt
    spans = trace_file(outputs) if trace else None

    async def run() -> None:
        async with _conversation(outputs, session, retry=retry) as conversation:
            try:
                await _show(conversation, conversation.ask(text), display_for(as_json=as_json))
            finally:
                # In a pipe it would be one line too many; --json has it in every event that begins a run.
                if conversation.begun and sys.stderr.isatty() and not as_json:
                    tell_how_to_go_on(outputs, conversation.session_id)
                if spans is not None and conversation.begun:
                    await _show_trace(conversation, spans, as_json=as_json)

    loop.run(run())


async def _show_trace(conversation: Conversation, path: Path, *, as_json: bool) -> None:
    found = await trace_of(path, conversation.run_id or "", conversation.trace_id)
    if as_json:
        print(json.dumps({"type": "CLIENT_TRACE", "planes": found.planes, "spans": found.spans}), flush=True)
        return
    console = Console(stderr=True, highlight=False)
    console.print(tree(found))
    console.print(reason(found))


@command
def attach(
    session: That,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Its run; the latest when left out.")] = None,
    after: Annotated[int, typer.Option(min=0, help="Leave out the events up to this number.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Read an answer that was asked for before, from its beginning and then live."""
    outputs = find_outputs(stack=stack, local=local, file=file)

    async def run() -> None:
        async with _conversation(outputs, session, retry=True) as conversation:
            await _show(conversation, conversation.attach(run_id, after), display_for(as_json=as_json))

    loop.run(run())


@command
def stop(
    session: That,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Only this run.")] = None,
    as_json: AsJson = False,
) -> None:
    """End a run at once, also one that nobody reads."""
    outputs = find_outputs(stack=stack, local=local, file=file)

    async def run() -> bool:
        async with _conversation(outputs, session, retry=False) as conversation:
            return await conversation.stop(run_id)

    stopped = loop.run(run())
    print(json.dumps({"stopped": stopped}) if as_json else "Stopped." if stopped else "Nothing was running.")


@command
def history(
    session: That, stack: Stack = None, local: Local = False, file: File = None, as_json: AsJson = False
) -> None:
    """Print what was said in a conversation."""
    outputs = find_outputs(stack=stack, local=local, file=file)

    async def run() -> int:
        async with _conversation(outputs, session, retry=True) as conversation:
            return await _show_history(conversation, as_json=as_json)

    if not loop.run(run()) and not as_json:
        note(NOTHING_KEPT)


NOTHING_KEPT = "Nothing is kept of this conversation: without Memory it ends with its session."


@command
def chat(
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    session: Session = None,
    retry: Retry = True,
    trace: Annotated[bool, typer.Option("--trace", help="Say where each answer's time went, in a local run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Talk: Ctrl-C stops an answer, Ctrl-D ends; /help lists what else there is."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    interactive = sys.stdin.isatty() and not as_json
    spans = trace_file(outputs) if trace else None
    with loop.runner() as runner, line_history(enabled=interactive):
        conversation = _conversation(outputs, session, retry=retry)
        try:
            if session is not None and interactive:
                _take_up(runner, conversation)
            for line in lines(interactive=interactive):
                if re.fullmatch(r"/[a-z]+", line):
                    note(_obey(conversation, line))
                else:
                    _answer(runner, conversation, line, spans, as_json=as_json)
        finally:
            runner.run(conversation.close())
    if interactive and conversation.begun:
        tell_how_to_go_on(outputs, conversation.session_id)


def _conversation(outputs: Outputs, session: str | None, *, retry: bool) -> Conversation:
    policy = Policy() if retry else NEVER
    return Conversation(outputs, account_of(outputs), session_id=session, policy=policy, notice=tell_of_cut)


def _take_up(runner: asyncio.Runner, conversation: Conversation) -> None:
    """Show what was said before in a conversation that is gone on with."""
    try:
        if not runner.run(_show_history(conversation, as_json=False)):
            note(NOTHING_KEPT)
    except ClientError as error:
        note(error)


async def _show_history(conversation: Conversation, *, as_json: bool) -> int:
    """Print the messages; how many there are."""
    messages = await conversation.history()
    for message in messages:
        show_message(message, as_json=as_json)
    return len(messages)


def _obey(conversation: Conversation, line: str) -> str:
    """Do what a line that is a command says; what to tell the user of it."""
    if line == "/new":
        conversation.begin_anew()
    elif line != "/session":
        return "/new begins a new session, /session shows its id. Ctrl-C stops an answer, Ctrl-D ends."
    return f"Session {conversation.session_id}"


def _answer(
    runner: asyncio.Runner, conversation: Conversation, prompt: str, spans: Path | None, *, as_json: bool
) -> None:
    """One turn. What goes wrong in it ends the turn and not the talk, unless nobody is there to go on."""
    try:
        runner.run(_show(conversation, conversation.ask(prompt), display_for(as_json=as_json)))
        if spans is not None:
            note(reason(runner.run(trace_of(spans, conversation.run_id or "", conversation.trace_id))))
    except KeyboardInterrupt:
        note("Stopped.")
    except ClientError as error:
        if not sys.stdin.isatty():
            raise
        note(error)


async def _show(conversation: Conversation, arrivals: AsyncGenerator[Arrival, None], display: Display) -> None:
    """Show an answer to its end."""
    display.begin()
    async with conversation.stopped_if_interrupted():
        try:
            async with contextlib.aclosing(arrivals):
                async for arrival in arrivals:
                    display.show(arrival)
        finally:
            display.end()
