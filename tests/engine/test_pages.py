"""The pages' commands of the Pulumi CLI, as the CLI itself knows them."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest

from tests.docs.test_foreign_commands import lines
from tests.engine.cli import engine_root

pytestmark = pytest.mark.engine

GROUP = r"Available Commands|pulumi \[command\]"

PULUMI = sorted({line for _, line in lines("pulumi")})


@pytest.mark.parametrize("line", PULUMI, ids=lambda each: each[:80])
def test_a_command_of_pulumi_exists_and_has_the_options(line: str) -> None:
    root = engine_root()
    assert root is not None
    words = shlex.split(re.split(r" > ", line)[0])[1:]
    told = help_of(str(root / "bin" / "pulumi"), words)
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert not {each for each in options if not re.search(rf"{each}\b", told)}


def help_of(program: str, words: list[str]) -> str:
    """The help of the command that these words begin with; a group's would name the commands that it has."""
    command = [word for word in words if re.fullmatch(r"[a-z]+", word)]
    for length in range(len(command), 0, -1):
        done = subprocess.run([program, *command[:length], "--help"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and "Usage:" in done.stdout and not re.search(GROUP, done.stdout):
            return done.stdout
    raise AssertionError(f"pulumi has no command {' '.join(words)}")


def test_there_are_commands() -> None:
    assert len(PULUMI) > 8
