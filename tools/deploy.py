"""Deploy a stack step by step: ``python -m tools.deploy --stack dev``, which is ``make up STACK=dev``.

Each step must pass before the next begins: the package, the check, the update, the doctor, and what to do next. Pulumi
itself previews and asks before it changes anything. With ``--yes`` nobody is asked, and with ``--previous TAG`` a stack
in which the doctor finds a fault is deployed again as that tag has it: Pulumi deletes what an update replaced within
the same update, so the earlier sources are all there is to go back to.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from local.program.check import check
from local.program.graph import ProgramError
from package import build
from package.contents import ROOT
from tools import sign_in

FAULT_FOUND = 1
"""The doctor's exit code when it found something broken; 2 when something could not be looked at."""

EARLIER_RELEASE = "earlier-release"

WORKTREE = ROOT / ".build" / "previous"

NO_CLI = (
    "There is no pulumi on the PATH, and nothing was done: install the Pulumi CLI "
    "(https://www.pulumi.com/docs/install/) and begin again."
)

NEXT = """\
{stack} is deployed. What to do next:
  add a user    .venv/bin/python -m client users add --stack {stack} you@example.com
  sign in       .venv/bin/python -m client login --stack {stack}
  ask           .venv/bin/python -m client ask --stack {stack} "What is streaming?"
  look at it    make doctor STACK={stack}"""


class DeployError(Exception):
    """A step failed; the message says what, what that means for the stack, and what to do."""


class Step(NamedTuple):
    """One step: what it does, how, and what to say where it fails."""

    does: str
    run: Callable[[], None]


def deploy(stack: str, *, yes: bool) -> None:
    """All steps but the doctor.

    Raises:
        DeployError: when one fails; the ones after it have not begun.
    """
    if shutil.which("pulumi") is None:
        raise DeployError(NO_CLI)
    steps = (
        Step("Build the agent's package", _package),
        Step("Check the settings and the guard rails", lambda: _check(stack)),
        Step("Preview and update the stack", lambda: _update(stack, yes=yes)),
    )
    for number, step in enumerate(steps, 1):
        announce(f"{number}/4  {step.does}")
        step.run()


def announce(text: str) -> None:
    """A line between what the steps themselves print."""
    print(f"\n== {text}", file=sys.stderr, flush=True)


def _package() -> None:
    if build.main():
        raise DeployError(
            "The package was not built and nothing was deployed: fix what is said above, and run it again."
        )


def _check(stack: str) -> None:
    found = [problem for result in check(stack) for problem in result.problems]
    if found:
        listed = "\n  ".join(found)
        raise DeployError(f"{stack} cannot be deployed as it is, and nothing was:\n  {listed}")


def _update(stack: str, *, yes: bool) -> None:
    unasked = ["--yes", "--non-interactive"] if yes else []
    argv = ["pulumi", "up", "--stack", stack, "--policy-pack", "policy", *unasked]
    if run(argv, ROOT):
        raise DeployError(
            f"The update of {stack} was declined or did not end well. Pulumi keeps what it made, so `make up "
            f"STACK={stack}` goes on from there; after a broken connection, `pulumi cancel --stack {stack}` first."
        )


def run(argv: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> int:
    """Run a command with this terminal as its own; its exit code."""
    return subprocess.run([*argv], cwd=folder, env=environment, check=False).returncode  # noqa: S603 - ours


def doctor(stack: str) -> int:
    """The doctor's exit code, after signing in as the user of the environment where one is given there."""
    announce("4/4  Ask the doctor")
    try:
        sign_in.sign_in_as_given(stack)
    except sign_in.CannotSignIn as error:
        print(error, file=sys.stderr)  # what needs no token is still worth looking at
    return run([sys.executable, "-m", "client", "doctor", "--stack", stack, "--keep-going"], ROOT)


def go_back(stack: str, tag: str) -> None:
    """Deploy a stack as an earlier tag has it, from a work tree of its own, and ask that tag's doctor.

    Raises:
        DeployError: always: the release that was asked for is not what runs now.
    """
    announce(f"Going back to {tag}")
    _git("worktree", "remove", "--force", str(WORKTREE), tolerant=True)
    _git("worktree", "add", "--detach", str(WORKTREE), tag)
    environment = {**os.environ, "PULUMI_OPTION_YES": "true"}
    if run(["make", "up", f"STACK={stack}"], WORKTREE, environment):
        raise DeployError(
            f"The doctor found a fault, and going back to {tag} did not end well either: {stack} needs a person now. "
            f"Look at `pulumi stack --stack {stack}` and docs/operations.md."
        )
    raise DeployError(
        f"The doctor found a fault, so {stack} runs {tag} again: fix what the doctor said, and release again."
    )


def previous_of(named: str) -> str:
    """What to go back to: a tag or commit as named, the newest tag before this commit for ``earlier-release``.

    Nothing where there is none, as before the first release or the first push, whose "before" is all zeros.
    """
    if named != EARLIER_RELEASE:
        return named if named.strip("0") else ""
    argv = ["git", "describe", "--tags", "--abbrev=0", "HEAD^"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return done.stdout.strip()


def _git(*arguments: str, tolerant: bool = False) -> None:
    if run(["git", *arguments], ROOT) and not tolerant:
        raise DeployError(f"`git {' '.join(arguments)}` failed, so there is nothing to go back to: a person is needed.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy, look, and say what comes next. 0: deployed. 1: a step failed, or the doctor found a fault."""
    parser = argparse.ArgumentParser(prog="python -m tools.deploy", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--yes", action="store_true", help="ask nobody")
    parser.add_argument(
        "--previous", default="", help="the tag or commit to deploy again when the doctor finds a fault"
    )
    options = parser.parse_args(arguments)
    yes = options.yes or os.environ.get("PULUMI_OPTION_YES", "") == "true"
    try:
        deploy(options.stack, yes=yes)
        found = doctor(options.stack)
        previous = previous_of(options.previous)
        if found == FAULT_FOUND and previous:
            go_back(options.stack, previous)
    except (DeployError, ProgramError) as error:
        print(error, file=sys.stderr)
        return 1
    announce("Next")
    if found == FAULT_FOUND:
        print(f"{options.stack} is deployed, and the doctor found a fault: fix what it says, and run `make up` again.")
        return 1
    if found:
        print("The doctor could not check everything; on a new stack, because no user is signed in yet.")
    print(NEXT.format(stack=options.stack))
    return 0


if __name__ == "__main__":
    sys.exit(main())
