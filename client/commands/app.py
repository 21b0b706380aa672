"""Sign in, ask, measure and examine, on a terminal or in a script."""

from __future__ import annotations

import io
import os
import sys

import typer

from client.commands import asking, doctor, identity, measure

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

app.command()(identity.login)
app.command()(identity.token)
app.command()(identity.whoami)
app.command()(identity.logout)
app.add_typer(identity.users, name="users")
app.command("ask")(asking.ask_command)
app.command()(asking.chat)
app.command()(asking.attach)
app.command()(asking.stop)
app.command()(asking.history)
app.command()(measure.timeline)
app.command("bench")(measure.bench_command)
app.command()(doctor.doctor)


def run() -> None:
    """Run the command line of this process."""
    # What the shell has closed (`>&-`) is None, and its number would be the next file's: nobody reads, nothing comes.
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115, PTH123 - for as long as the process lasts
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that a stream has no bytes for must not end an answer; nor a byte that is none, a question.
            stream.reconfigure(errors="replace")
    app(prog_name="python -m client")
