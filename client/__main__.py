"""``python -m client``: sign in and ask, on a terminal or in a script."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from client.errors import ClientError, SignInError
from client.outputs import LOCAL_OUTPUTS, Outputs, read_outputs
from client.signin import sign_in
from client.stream import ask as ask_stack

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.callback()
def client() -> None:
    """A client of a deployed stack, or of the local run."""


@app.command()
def ask(
    prompt: Annotated[str, typer.Argument(help="What to ask.")],
    outputs: Annotated[
        Path, typer.Option(help="A file of stack outputs: `pulumi stack output --json > outputs.json`.")
    ] = LOCAL_OUTPUTS,
    username: Annotated[str | None, typer.Option(help="Who asks; a local run has a demo user.")] = None,
) -> None:
    """Ask, and print the words as they arrive."""
    try:
        asyncio.run(_ask(read_outputs(outputs), username, prompt))
    except ClientError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


async def _ask(outputs: Outputs, username: str | None, prompt: str) -> None:
    name, password = _credentials(outputs, username)
    tokens = await asyncio.to_thread(sign_in, outputs, name, password)
    async for arrival in ask_stack(outputs.invoke_url, tokens.id, prompt):
        print(arrival.text, end="", flush=True)
    print()


def _credentials(outputs: Outputs, username: str | None) -> tuple[str, str]:
    """The given user with a password from the terminal, or the local run's demo user."""
    if username:
        return username, typer.prompt("Password", hide_input=True, err=True)
    if outputs.demo_username and outputs.demo_password:
        return outputs.demo_username, outputs.demo_password.get_secret_value()
    raise SignInError("Nobody is signed in: name a user with --username.")


if __name__ == "__main__":
    app(prog_name="python -m client")
