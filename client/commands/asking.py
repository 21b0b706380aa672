"""``ask``, ``chat``, ``attach``, ``stop`` and ``history``."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated

import typer

from client.commands import loop
from client.commands.notices import print_cut, print_how_to_continue
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

Session = Annotated[str | None, typer.Option(help="Continue this conversation; its id has 33 to 256 characters.")]
RequiredSession = Annotated[str, typer.Option("--session", help="The conversation.")]
Retry = Annotated[
    bool, typer.Option("--retry/--no-retry", help="Continue after a cut, and retry after a transient refusal.")
]


@command
def ask_command(
    prompt: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    session: Session = None,
    retry: Retry = True,
    trace: Annotated[bool, typer.Option("--trace", help="Then show the run's spans (local run only).")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a question, and print the answer as it arrives. Ctrl-C stops the run; a second Ctrl-C exits at once."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    text = sys.stdin.read() if prompt == "-" else prompt
    spans = trace_file(outputs) if trace else None

    async def run() -> None:
        async with _conversation(outputs, session, retry=retry) as conversation:
            try:
                await _show(conversation, conversation.ask(text), display_for(as_json=as_json))
            finally:
                # Only on a terminal; with --json, RUN_STARTED has the id.
                if conversation.begun and sys.stderr.isatty() and not as_json:
                    print_how_to_continue(outputs, conversation.session_id)
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
    session: RequiredSession,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    run_id: Annotated[str | None, typer.Option("--run", help="The run; by default the conversation's latest.")] = None,
    after: Annotated[int, typer.Option(min=0, help="Skip the events up to this number.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Read the answer of an earlier question again, from its beginning and then live."""
    outputs = find_outputs(stack=stack, local=local, file=file)

    async def run() -> None:
        async with _conversation(outputs, session, retry=True) as conversation:
            await _show(conversation, conversation.attach(run_id, after), display_for(as_json=as_json))

    loop.run(run())


@command
def stop(
    session: RequiredSession,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Only this run.")] = None,
    as_json: AsJson = False,
) -> None:
    """End a run at once, also one without a reader."""
    outputs = find_outputs(stack=stack, local=local, file=file)

    async def run() -> bool:
        async with _conversation(outputs, session, retry=False) as conversation:
            return await conversation.stop(run_id)

    stopped = loop.run(run())
    print(json.dumps({"stopped": stopped}) if as_json else "Stopped." if stopped else "Nothing was running.")


@command
def history(
    session: RequiredSession, stack: Stack = None, local: Local = False, file: File = None, as_json: AsJson = False
) -> None:
    """Print the messages of a conversation."""
    outputs = find_outputs(stack=stack, local=local, file=file)

    async def run() -> int:
        async with _conversation(outputs, session, retry=True) as conversation:
            return await _show_history(conversation, as_json=as_json)

    if not loop.run(run()) and not as_json:
        note(NO_HISTORY)


NO_HISTORY = "The agent has no history of this conversation: without Memory it ends with its session."


@command
def chat(
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    session: Session = None,
    retry: Retry = True,
    trace: Annotated[
        bool, typer.Option("--trace", help="Show where each answer's time went (local run only).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Chat with the agent: Ctrl-C stops an answer, Ctrl-D ends the chat, /help lists the commands."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    interactive = sys.stdin.isatty() and not as_json
    spans = trace_file(outputs) if trace else None
    with loop.Runner() as runner, line_history(enabled=interactive):
        conversation = _conversation(outputs, session, retry=retry)
        try:
            if session is not None and interactive:
                _show_earlier(runner, conversation)
            for line in lines(interactive=interactive):
                if re.fullmatch(r"/[a-z]+", line):
                    note(_run_slash_command(conversation, line))
                else:
                    _answer(runner, conversation, line, spans, as_json=as_json)
        finally:
            runner.run(conversation.close())
    if interactive and conversation.begun:
        print_how_to_continue(outputs, conversation.session_id)


def _conversation(outputs: Outputs, session: str | None, *, retry: bool) -> Conversation:
    policy = Policy() if retry else NEVER
    return Conversation(outputs, account_of(outputs), session_id=session, policy=policy, notice=print_cut)


def _show_earlier(runner: loop.Runner, conversation: Conversation) -> None:
    """Show the earlier messages of a conversation that is continued."""
    try:
        if not runner.run(_show_history(conversation, as_json=False)):
            note(NO_HISTORY)
    except ClientError as error:
        note(error)


async def _show_history(conversation: Conversation, *, as_json: bool) -> int:
    """Print the messages; return their number."""
    messages = await conversation.history()
    for message in messages:
        show_message(message, as_json=as_json)
    return len(messages)


def _run_slash_command(conversation: Conversation, line: str) -> str:
    """Carry out a slash command; return the line to print."""
    if line == "/new":
        conversation.start_new_thread()
    elif line != "/session":
        return "/new starts a new session, /session shows its id. Ctrl-C stops an answer, Ctrl-D ends the chat."
    return f"Session {conversation.session_id}"


def _answer(runner: loop.Runner, conversation: Conversation, prompt: str, spans: Path | None, *, as_json: bool) -> None:
    """Ask one question. An error ends only this turn, except that without a terminal it ends the command."""
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
    """Show an answer until its end."""
    display.begin()
    async with conversation.stopped_if_interrupted():
        try:
            async with contextlib.aclosing(arrivals):
                async for arrival in arrivals:
                    display.show(arrival)
        finally:
            display.end()
