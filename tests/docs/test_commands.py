"""Every command of every page is run as a reader would run it, or is marked as needing AWS, or names what runs it.

The reader has a checkout of their own and follows a page from its beginning: what stays up is started by the page's own
command, and the commands after it are for that.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from client.commands.app import app as client_app
from local import ROOT
from local.run.commands import app as local_app
from tests.docs.commands import Command, commands, inline, of_ours, on_the_local_run
from tests.docs.pages import name, pages, prose
from tests.docs.reader import Reader

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
COMMANDS = [*commands()]

pytestmark = pytest.mark.timeout(300)  # what stays up is started within a test, on a machine that may be busy

SAID = {
    r"python -m client (ask|chat|timeline)|\| python -m client ask": r"(?i)streaming|\[|word|why|%",
    r"curl ": r"RUN_FINISHED",
    r"python -m client doctor": r"streaming",
    r"python -m local status": r"stack is up on loopback",
    r"python -m local down": r"is down",
    r"python -m local graph": r"RestApi",
    r"python -m local cost": r"Together|months",
    r"python -m local faults": r"buffered",
    r"python -m local check": r"guard rails",
    r"python -m client users (add|disable|erase)": r"@example\.com",
    r"python -m tools\.rename": r"my-chat",
    r"pytest": r"tests? collected",
}
"""What a command says when it has done what its page promises."""

TYPED = {"python -m client chat": "Why does streaming matter?\n"}
"""What a reader types into a command that asks."""

QUIET = re.compile(r"\. |cp |python -m zipfile")
"""Commands that say nothing when all is well."""


PACK = """
import zipfile
from infra.built_page import page_folder
with zipfile.ZipFile("page.zip", "w") as archive:
    archive.writestr(f"{page_folder().name}/index.html", "<!doctype html>")
"""
FOUND = "from infra.built_page import built_page; print(built_page())"


def told(command: Command) -> str:
    return f"{command.page}: {command.line}"[:110]


def to_run() -> list[Command]:
    """What is run here, once for each thing that is up; what ends the chain comes last."""
    found: dict[tuple[str, str], Command] = {}
    for command in COMMANDS:
        one = on_the_local_run(command) if command.needs_aws else command
        if one is not None and not one.elsewhere:
            found.setdefault((one.plain, "" if one.alone else one.chain), one)
    return sorted(found.values(), key=lambda each: (each.chain, "local down" in each.line))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader(tmp_path_factory.mktemp("reader"))
    try:
        yield reader
    finally:
        reader.end()


@pytest.mark.parametrize("command", to_run(), ids=told)
def test_a_reader_runs_it(command: Command, reader: Reader) -> None:
    for program in re.findall(r"(?:^|\| |\()(curl|jq|git)\b", command.line):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here")
    prepare(reader, command)
    if not command.alone:
        banner = reader.keep_up(command.chain)
    if command.stays:
        assert "Ctrl-C" in banner or command.line.endswith("python -m agent")
        return
    line = f"{command.line} --collect-only -q" if "-m pytest" in command.line else command.line
    typed = next((text for start, text in TYPED.items() if command.plain.startswith(start)), "")
    done = reader.type(line, typed)
    broken = "doctor" in command.line and "--break" in command.chain
    assert done.returncode == (1 if broken else 0), done.stdout + done.stderr
    if "zipfile" in command.line:
        assert "page-" in reader.type(f"python -c '{FOUND}'").stdout
    if "generator.py" in command.chain and not QUIET.match(command.line):
        assert "You wrote 3 words" in done.stdout
    elif QUIET.match(command.line) is None:
        (expected, *_) = [says for start, says in SAID.items() if re.search(start, command.line)]
        assert re.search(expected, done.stdout), done.stdout + done.stderr


def prepare(reader: Reader, command: Command) -> None:
    """What the page takes for granted: a file that was downloaded, a change in a repository."""
    if "zipfile" in command.line:
        reader.type(f"python -c '{PACK}'")
    if command.line.startswith("git "):
        reader.type("git init -q && git add README.md && echo >> README.md")


@pytest.mark.parametrize("command", COMMANDS, ids=told)
def test_a_command_of_ours_is_one_that_its_program_takes(command: Command) -> None:
    for line in re.split(r" \| |; ", command.line):
        takes(command._replace(line=line).words)


@pytest.mark.parametrize("command", [*dict.fromkeys(inline())], ids=told)
def test_a_command_in_a_sentence_exists_and_has_the_options_that_the_sentence_names(command: Command) -> None:
    try:
        takes(command.words)
    except Exception as error:
        if type(error).__name__ != "MissingParameter":  # a sentence may leave a command's arguments out
            raise


@cache
def program(module: str) -> Any:
    """The commands of `python -m local` or `python -m client`."""
    return typer.main.get_command(local_app if module == "local" else client_app)


def takes(words: list[str]) -> None:
    """Raises what the program would say of these arguments; runs nothing."""
    ours = of_ours(words)
    if words[0] == "make":
        assert {word for word in words[1:] if "=" not in word} <= TARGETS
    elif ours is not None and ours[0] in {"local", "client"}:
        module, rest = ours
        command = program(module)
        while hasattr(command, "commands") and rest:
            assert rest[0] in command.commands, f"{module} has no command {rest[0]}"
            command, rest = command.commands[rest[0]], rest[1:]
        if ours[1]:
            command.make_context(command.name, rest[: rest.index(">")] if ">" in rest else [*rest])
    elif ours is not None:
        assert importlib.util.find_spec(ours[0]) is not None


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.elsewhere and not each.needs_aws], ids=told)
def test_what_is_run_elsewhere_is_run_there(command: Command) -> None:
    where = command.elsewhere
    assert where
    if where == "make":
        workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
        jobs = {"setup", *workflow["jobs"]["check"]["strategy"]["matrix"]["target"]}
        assert set(command.words[1:]) <= jobs
    else:
        path, _, test = where.partition("::")
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("target", sorted(TARGETS - {"help"}))
def test_a_target_of_make_is_a_recipe_that_make_can_read(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", pages(), ids=name)
def test_a_command_stands_in_a_fence_that_says_so(page: Path) -> None:
    text = prose(page.read_text(encoding="utf-8"))
    start = r"(?:\$ |\.venv/bin/|python |make |pulumi |aws |curl |npm |git |[A-Z_]+=\S+ )"
    assert not re.findall(rf"(?:\A|\n\n)(?:    |\t)({start}.*)", text), "put it between ```sh and ```"


def test_what_needs_an_account_says_so() -> None:
    assert not [told(each) for each in COMMANDS if re.match(r"(?:aws|pulumi) ", each.line) and not each.needs_aws]
    stacks = [each for each in COMMANDS if re.search(r"client .*--stack|STACK=", each.line)]
    assert stacks
    assert not [told(each) for each in stacks if not each.needs_aws]


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 60
    assert len(to_run()) > 20
    assert any(command.needs_aws for command in COMMANDS)
