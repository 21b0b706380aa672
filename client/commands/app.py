"""Sign in, ask questions, measure, and diagnose a stack, on a terminal or in a script."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from client.commands import asking, completion, doctor, identity, measure, users

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)

app.command()(identity.login)
app.command()(identity.token)
app.command()(identity.whoami)
app.command()(identity.logout)
app.add_typer(users.users, name="users")
app.command("ask")(asking.ask_command)
app.command()(asking.chat)
app.command()(asking.attach)
app.command()(asking.stop)
app.command()(asking.history)
app.command()(measure.timeline)
app.command("bench")(measure.bench_command)
app.command()(doctor.doctor)
app.command()(completion.completion)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """Sign in, ask questions, measure, and diagnose a stack, on a terminal or in a script."""
    if version:
        print(f"agent-stream {_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def _version() -> str:
    """Return `git describe` of these files; the project is not a distribution with a version of its own."""
    git = shutil.which("git")
    if git is None:
        return "of an unknown version"
    done = subprocess.run(  # noqa: S603 - fixed arguments
        [git, "describe", "--always", "--dirty", "--tags"],
        cwd=Path(__file__).parent,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return done.stdout.strip() or "of an unknown version"


def run() -> None:
    """Run the command line of this process."""
    # If the shell closed a standard stream (`>&-`), Python sets it to None and the next file would reuse its
    # descriptor: open /dev/null instead.
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115, PTH123 - for as long as the process lasts
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Neither a character that the stream's encoding lacks nor an invalid byte in the input must be an error.
            stream.reconfigure(errors="replace")
    program = typer.main.get_command(app)
    if (code := completion.complete(program)) is not None:
        sys.exit(code)
    program(prog_name="python -m client")
