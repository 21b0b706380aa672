"""Every command in every page: of ours one that its program takes, or marked as needing AWS; the quick ones are run."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import typer

from client.commands.app import app as client_app
from local import ROOT
from local.run.commands import app as local_app
from tests.docs.pages import blocks, name, pages

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

QUICK = {("local", "graph"), ("local", "cost"), ("local", "faults")}
"""Commands that need nothing running and write nothing: these are run as they stand."""

SHELL = {".", "cd", "export", "cp", "git", "jq", "aws", "pulumi"}
"""What every machine of a reader has, and needs no account for; and what says by its name what it needs."""


class Command(NamedTuple):
    """One command line of a page."""

    page: str
    line: str
    needs_aws: bool

    @property
    def words(self) -> list[str]:
        return shlex.split(self.line, comments=True)


def commands() -> Iterator[Command]:
    for page in pages():
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.language in {"sh", "console", "bash"}:
                lines = block.text.replace("\\\n", " ").splitlines()
                if block.language == "console":
                    lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
                for line in lines:
                    if line.strip() and not line.strip().startswith("#"):
                        for part in re.split(r" \| (?=[.\w])", line.strip()):
                            yield Command(name(page), part, block.needs_aws)


def of_ours(words: list[str]) -> tuple[str, list[str]] | None:
    """The module and the arguments of a `python -m`; None of another program."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words[:1] and words[0].endswith(("python", "python3")) and words[1:2] == ["-m"]:
        return words[2], words[3:]
    return None


def app_of(module: str) -> Any:
    return typer.main.get_command(local_app if module == "local" else client_app)


COMMANDS = sorted(set(commands()))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: f"{each.page}: {each.line}"[:110])
def test_a_command_of_ours_is_one_that_its_program_takes(command: Command) -> None:
    words = command.words
    if words[0] == "make":
        assert {word for word in words[1:] if "=" not in word} <= TARGETS
        return
    ours = of_ours(words)
    if ours is None:
        needs_nothing = words[0] in SHELL or words[0].startswith(".venv/bin/") or "localhost" in command.line
        assert command.needs_aws or needs_nothing or ".local/outputs.json" in command.line, (
            "mark it: <!-- needs AWS -->"
        )
        return
    module, arguments = ours
    if module in {"local", "client"}:
        parses(app_of(module), module, arguments)
    else:
        assert importlib.util.find_spec(module) is not None


def parses(group: Any, module: str, arguments: list[str]) -> None:
    """Raises what the program would say of the arguments; runs nothing."""
    command: Any = group
    rest = arguments
    while hasattr(command, "commands") and rest:
        assert rest[0] in command.commands, f"{module} has no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    if ">" in rest:
        rest = rest[: rest.index(">")]
    command.make_context(command.name, list(rest), resilient_parsing=False)


def is_quick(command: Command) -> bool:
    ours = of_ours(command.words)
    return ours is not None and (ours[0], *ours[1][:1]) in QUICK and not command.needs_aws


@pytest.mark.parametrize("line", sorted({command.line for command in COMMANDS if is_quick(command)}))
def test_a_command_that_needs_nothing_runs(line: str) -> None:
    ours = of_ours(shlex.split(line, comments=True))
    assert ours is not None
    argv = [sys.executable, "-m", ours[0], *ours[1]]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 40
    assert any(command.needs_aws for command in COMMANDS)
