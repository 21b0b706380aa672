"""The options that select a stack, and the handling of a command's errors and exit code."""

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
from client.terminal import discard_output, note

Stack = Annotated[str | None, typer.Option("--stack", help="A Pulumi stack, read with `pulumi stack output`.")]
Local = Annotated[bool, typer.Option("--local", help="The local run; the default.")]
File = Annotated[Path | None, typer.Option("--outputs", help="A file written by `pulumi stack output --json`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

P = ParamSpec("P")

INTERRUPTED = 130


def find_outputs(*, stack: str | None, local: bool, file: Path | None) -> Outputs:
    """Return the outputs of the stack that the options select; by default the local run's.

    Raises:
        UsageError: when the options select more than one.
        OutputsError: when the outputs cannot be read.
    """
    if (stack is not None) + local + (file is not None) > 1:
        raise UsageError("--stack, --local and --outputs exclude each other: pass one of them.")
    return stack_outputs(stack) if stack is not None else read_outputs(file or LOCAL_OUTPUTS)


def account_of(outputs: Outputs) -> Account:
    """Return the user who is signed in to a stack."""
    return Account(outputs, TokenStore(outputs))


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Decorate a command: a failure prints a sentence, or one JSON object with ``--json``, and exits with code 1.

    Ctrl-C exits with 130, as in shells. A broken pipe is not a failure: the reader has what it wanted.
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
            discard_output()
        except OSError as error:
            # Errors of files and connections are handled where they are opened, so this one is standard output's.
            discard_output()
            code = 1
            where = error.filename or "The output"
            note(f"{where} cannot be written ({error.strerror or reason(error)}): free space, or redirect it.")
        if code:
            raise typer.Exit(code) from None

    return run
