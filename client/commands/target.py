"""Which stack a command is about, and how a command ends."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from client.account import Account
from client.display import describe
from client.errors import ClientError, UsageError, reason
from client.outputs import LOCAL_OUTPUTS, Outputs, read_outputs, stack_outputs
from client.store import TokenStore
from client.terminal import abandon_output, note

Stack = Annotated[str | None, typer.Option("--stack", help="A Pulumi stack, read with `pulumi stack output`.")]
Local = Annotated[bool, typer.Option("--local", help="The local run; the usual one when nothing is named.")]
File = Annotated[Path | None, typer.Option("--outputs", help="A file that `pulumi stack output --json` wrote.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]

P = ParamSpec("P")

INTERRUPTED = 130


def find_outputs(*, stack: str | None, local: bool, file: Path | None) -> Outputs:
    """The outputs of the one stack that the options name; the local run's when they name none.

    Raises:
        UsageError: when they name more than one.
        OutputsError: when it cannot be read.
    """
    if (stack is not None) + local + (file is not None) > 1:
        raise UsageError("--stack, --local and --outputs name three different things: give one of them.")
    return stack_outputs(stack) if stack is not None else read_outputs(file or LOCAL_OUTPUTS)


def account_of(outputs: Outputs) -> Account:
    """The user who is signed in to a stack."""
    return Account(outputs, TokenStore(outputs))


def command(function: Callable[P, None]) -> Callable[P, None]:
    """A command whose failures are a sentence and exit code 1, or one JSON object with ``--json``.

    Ctrl-C is 130, as shells have it. A reader of a pipe who leaves has what it wanted, and is no failure.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        code = 0
        try:
            try:
                function(*args, **kwargs)
            except typer.Exit as ended:
                code = ended.exit_code
            except ClientError as error:
                code = 1
                print(json.dumps(describe(error))) if kwargs.get("as_json") else note(error)
            sys.stdout.flush()
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        except BrokenPipeError:
            abandon_output()
        except OSError as error:
            # Whoever opens a file or a connection explains its errors; what is left is the output's.
            abandon_output()
            code = 1
            where = error.filename or "The output"
            note(f"{where} cannot be written ({error.strerror or reason(error)}): send it where there is room.")
        if code:
            raise typer.Exit(code) from None

    return run
