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
from client.errors import ClientError, UsageError
from client.outputs import LOCAL_OUTPUTS, Outputs, read_outputs, stack_outputs
from client.store import TokenStore
from client.text import describe

Stack = Annotated[str | None, typer.Option("--stack", help="A Pulumi stack, read with `pulumi stack output`.")]
Local = Annotated[bool, typer.Option("--local", help="The local run; the usual one when nothing is named.")]
File = Annotated[Path | None, typer.Option("--outputs", help="A file that `pulumi stack output --json` wrote.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]

P = ParamSpec("P")


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
    """A command whose failures are a sentence and exit code 1, or one JSON object with ``--json``."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except ClientError as error:
            if kwargs.get("as_json"):
                print(json.dumps(describe(error)), flush=True)
            else:
                print(error, file=sys.stderr)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader has what it wanted. Closing standard output here keeps Python from complaining at exit.
            sys.stderr.close()
            raise typer.Exit(0) from None

    return run
