"""The commands of every page, in its order, and what a test can do with each: run it, or say where it is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from tests.docs.pages import blocks, name, pages, spans

SHELLS = {"sh", "console", "bash"}

STAYS = re.compile(r"(?:make local|.*python -m local up\b.*|.*python -m agent)$")
"""What stays up until Ctrl-C: the commands after it, in its page, are for it."""

AGENT = re.compile(r"cp examples/\S+ agent/agent\.py$")
"""What puts another agent in place: what stays up after it serves that one."""

USUAL_CHAIN = "make local"
"""What is up for a page's commands that no command of the page started."""

ALONE = re.compile(r"python -m (?:local (?:graph|cost|faults|check)|zipfile|tools\.rename)\b|\. |cp ")
"""What needs nothing to be up."""

OWN_COPY = "tests/docs/test_own_copy.py"

RUN_ELSEWHERE = {
    "make demo": "tests/e2e/test_demo.py::test_the_demo_shows_that_one_streams_and_the_other_does_not",
    "make web": "tests/web/conftest.py::page",
    "make package": "tests/package/test_build.py::test_the_same_inputs_give_the_same_bytes",
    "make package; rm dist/agent-*.zip; make package": (
        "tests/package/test_build.py::test_the_same_inputs_give_the_same_bytes"
    ),
    ".venv/bin/python -m tools.rename my-chat": f"{OWN_COPY}::test_the_steps_of_the_page_leave_a_copy_that_is_green",
    ".venv/bin/python -m local check --stack prod-eu": f"{OWN_COPY}::test_a_new_environment_is_tested_like_the_others",
    "make setup": "make",
    "make test": "make",
    "make lint test test-whole test-web": "make",
}
"""Commands that would change this checkout, or are the checks themselves, and what runs them: a test or fixture, or
``make``, for targets that a job of the workflow ci is made of or that all of them begin with."""


class Command(NamedTuple):
    """One command line of a page.

    Attributes:
        page: the page's path.
        line: the command, without a prompt or a comment.
        needs_aws: the page says that it needs AWS or the Pulumi CLI.
        chain: the command before it in its page that stays up, or the usual one; before it, what put an agent in place.
    """

    page: str
    line: str
    needs_aws: bool
    chain: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.line)

    @property
    def plain(self) -> str:
        """The line as it is once ``.venv`` is activated, which pages may or may not ask for."""
        return self.line.replace(".venv/bin/", "")

    @property
    def stays(self) -> bool:
        return STAYS.fullmatch(self.line) is not None

    @property
    def elsewhere(self) -> str | None:
        return RUN_ELSEWHERE.get(self.line)

    @property
    def alone(self) -> bool:
        return ALONE.match(self.plain) is not None


def commands() -> Iterator[Command]:
    """Every command in a fenced block, page by page."""
    for page in pages():
        chain, agent = USUAL_CHAIN, ""
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.language in SHELLS:
                for line in lines(block.text, prompt=block.language == "console"):
                    command = Command(name(page), line, block.needs_aws, chain)
                    if AGENT.fullmatch(line):
                        agent = f"{line}; "
                    if command.stays:
                        chain = f"{agent}{line}"
                    yield command._replace(chain=chain)


def lines(text: str, *, prompt: bool) -> Iterator[str]:
    """The commands of a block: of a console those after a prompt, comments left out."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("$ ") or not prompt:
            shown = re.sub(r"\s#(?: .*)?$", "", line.removeprefix("$ ")).strip()
            if shown and not shown.startswith("#"):
                yield re.sub(r" {2,}", " ", shown)


def inline() -> Iterator[Command]:
    """Every command of ours between backquotes in a page's text; a word in capitals stands for one of the reader's."""
    for page in pages():
        for span in spans(page.read_text(encoding="utf-8")):
            if re.match(r"(?:\.venv/bin/)?python -m \w|make [a-z]", span):
                yield Command(name(page), re.sub(r"\b[A-Z]+$|\b[A-Z]+(?= )|名称", "1", span), False, USUAL_CHAIN)


def of_ours(words: list[str]) -> tuple[str, list[str]] | None:
    """The module and the arguments of a `python -m`; None of another program."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words[:1] and words[0].endswith(("python", "python3")) and words[1:2] == ["-m"]:
        return words[2], words[3:]
    return None


def on_the_local_run(command: Command) -> Command | None:
    """A command of the client for a stack on AWS as one for the local run, where that can answer it."""
    ours = of_ours(command.words)
    if not command.needs_aws or ours is None or ours[0] != "client" or ours[1][0] == "login":
        return None
    line = re.sub(r" --(?:stack|outputs) \S+", "", command.plain)
    return command._replace(line=line, needs_aws=False, chain=USUAL_CHAIN)
