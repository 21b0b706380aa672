"""Deploy a stack step by step: ``python -m tools.deploy --stack dev``, which is ``make up STACK=dev``.

Each step must pass before the next begins: the package, the check, the update, the doctor, and what to do next. Pulumi
itself previews and asks before it changes anything. ``--yes`` skips the confirmation. With ``--previous TAG`` the
sources of that tag are deployed again if the doctor finds a fault: Pulumi deletes replaced resources within the same
update, so deploying the earlier sources is the only way back.
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
"""The doctor's exit code when a check failed; 2 when a check could not be made."""

EARLIER_RELEASE = "earlier-release"

WORKTREE = ROOT / ".build" / "previous"

NO_CLI = (
    "There is no pulumi on the PATH, and nothing was done: install the Pulumi CLI "
    "(https://www.pulumi.com/docs/install/) and run it again."
)

NEXT = """\
{stack} is deployed. What to do next:
  add a user    .venv/bin/python -m client users add --stack {stack} you@example.com
  sign in       .venv/bin/python -m client login --stack {stack}
  ask           .venv/bin/python -m client ask --stack {stack} "What is streaming?"
  look at it    make doctor STACK={stack}"""


class DeployError(Exception):
    """A step failed; the message says which, its effect on the stack, and what to do."""


class Step(NamedTuple):
    """One step: its description, and the function that runs it or raises `DeployError`."""

    does: str
    run: Callable[[], None]


def deploy(stack: str, *, yes: bool) -> None:
    """Run all steps but the doctor.

    Raises:
        DeployError: when one fails; later steps are not run.
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
    """Print a heading between the output of the steps."""
    print(f"\n== {text}", file=sys.stderr, flush=True)


def _package() -> None:
    if build.main():
        raise DeployError("The package was not built and nothing was deployed: fix the error above, and run it again.")


def _check(stack: str) -> None:
    found = [problem for result in check(stack) for problem in result.problems]
    if found:
        listed = "\n  ".join(found)
        raise DeployError(f"{stack} cannot be deployed, and nothing was changed:\n  {listed}")


def _update(stack: str, *, yes: bool) -> None:
    confirmed = ["--yes", "--non-interactive"] if yes else []
    argv = ["pulumi", "up", "--stack", stack, "--policy-pack", "policy", *confirmed]
    if run(argv, ROOT):
        raise DeployError(
            f"The update of {stack} was declined or failed. Pulumi keeps the resources that it created, so run `make "
            f"up STACK={stack}` again to continue; after a broken connection, `pulumi cancel --stack {stack}` first."
        )


def run(argv: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> int:
    """Run a command in this terminal; return its exit code."""
    return subprocess.run([*argv], cwd=folder, env=environment, check=False).returncode  # noqa: S603 - ours


def doctor(stack: str) -> int:
    """Run the doctor and return its exit code; signs in first, if the environment names a user."""
    announce("4/4  Run the doctor")
    try:
        sign_in.sign_in_as_given(stack)
    except sign_in.CannotSignIn as error:
        print(error, file=sys.stderr)  # checks that need no token are still made
    return run([sys.executable, "-m", "client", "doctor", "--stack", stack, "--keep-going"], ROOT)


def go_back(stack: str, tag: str) -> None:
    """Deploy the sources of an earlier tag, from a work tree of its own, and run that tag's doctor.

    Raises:
        DeployError: always, because the requested release is not deployed.
    """
    announce(f"Going back to {tag}")
    _git("worktree", "remove", "--force", str(WORKTREE), tolerant=True)
    _git("worktree", "add", "--detach", str(WORKTREE), tag)
    environment = {**os.environ, "PULUMI_OPTION_YES": "true"}
    if run(["make", "up", f"STACK={stack}"], WORKTREE, environment):
        raise DeployError(
            f"The doctor found a fault, and going back to {tag} failed too: {stack} needs manual repair. See `pulumi "
            f"stack --stack {stack}` and docs/operations.md."
        )
    raise DeployError(
        f"The doctor found a fault, so {stack} runs {tag} again: fix what the doctor reported, and release again."
    )


def previous_of(named: str) -> str:
    """The tag or commit to go back to: as named, or for ``earlier-release`` the newest tag before this commit.

    Empty if there is none, such as before the first release, or at the first push, whose "before" is all zeros.
    """
    if named != EARLIER_RELEASE:
        return named if named.strip("0") else ""
    argv = ["git", "describe", "--tags", "--abbrev=0", "HEAD^"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return done.stdout.strip()


def _git(*arguments: str, tolerant: bool = False) -> None:
    if run(["git", *arguments], ROOT) and not tolerant:
        raise DeployError(
            f"`git {' '.join(arguments)}` failed, so nothing can be deployed again: repair the stack by hand."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy, run the doctor, and print the next steps. 0: deployed. 1: a step failed, or the doctor found a fault."""
    parser = argparse.ArgumentParser(prog="python -m tools.deploy", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--yes", action="store_true", help="without confirmation")
    parser.add_argument("--previous", default="", help="the tag or commit to deploy again if the doctor finds a fault")
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
        print(
            f"{options.stack} is deployed, but the doctor found a fault: fix what it reports, and run `make up` again."
        )
        return 1
    if found:
        print("The doctor could not make every check; on a new stack because no user is signed in yet.")
    print(NEXT.format(stack=options.stack))
    return 0


if __name__ == "__main__":
    sys.exit(main())
