"""``completion``: shell completion of commands, options and the doctor's checks."""

from __future__ import annotations

import enum
import os
import shlex
import sys
from typing import Annotated, Any

import typer
from typer._completion_classes import completion_init
from typer._completion_shared import get_completion_script
from typer.completion import shell_complete

from client.commands.target import command

NAME = "agent-stream"
"""The command that the script defines: shells complete after one word, and `python -m client` is three."""

VARIABLE = "_AGENT_STREAM_COMPLETE"


class Shell(enum.StrEnum):
    """The shells that typer completes for on this system."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@command
def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print a completion script to source; it defines `agent-stream` as a shorthand for `python -m client`."""
    python = f"{shlex.quote(sys.executable)} -m client"
    script = get_completion_script(prog_name=NAME, complete_var=VARIABLE, shell=shell.value)
    # The script runs the command through `env`, which cannot run shell functions.
    for before in (f"{VARIABLE}=complete_bash $1", f"{VARIABLE}=complete_zsh {NAME}", f"(commandline -cp) {NAME}"):
        script = script.replace(before, f"{before.rpartition(' ')[0]} {python}")
    body = f"{python} $argv" if shell is Shell.FISH else f'{python} "$@"'
    define = f"function {NAME}; {body}; end" if shell is Shell.FISH else f"{NAME}() {{ {body}; }}"
    print(f"{define}\n{script}")


def complete(program: Any) -> int | None:
    """Print completions if a shell requests them, and return the exit code; None if none does."""
    instruction = os.environ.get(VARIABLE)
    if not instruction:
        return None
    completion_init()
    return shell_complete(program, {}, NAME, VARIABLE, instruction)
