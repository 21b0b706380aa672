"""Previews a stack for a pull request: ``python -m tools.preview --stack dev [--offline | --drift] [--report FILE]``.

The stack is checked without Pulumi first (``python -m local check``). ``--offline`` needs no AWS account, Pulumi state
or secrets, as for a pull request from a fork: every resource is shown as created. ``--drift`` compares the resources on
AWS with the last deployment, changes no state, and fails if they were changed outside Pulumi. ``--report`` saves
Pulumi's output.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.program.check import check
from package import build
from package.contents import ROOT
from tools.deploy import NO_CLI

PLACEHOLDER_SETTINGS: Mapping[str, str] = {
    "aws:skipCredentialsValidation": "true",
    "aws:skipRequestingAccountId": "true",
    "aws:skipMetadataApiCheck": "true",
    "aws:skipRegionValidation": "true",
}
PLACEHOLDER_ENVIRONMENT: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "placeholder",
    "AWS_SECRET_ACCESS_KEY": "placeholder",
    "PULUMI_CONFIG_PASSPHRASE": "placeholder",
}
"""The settings of docs/preview.md: the provider requires values, and these give access to nothing."""

NOT_NEEDED = (".*", "dist", "docs", "tests", "web", "node_modules", "__pycache__")

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def copy_project(folder: Path) -> Path:
    """Copy the program to another folder, because the CLI writes to the stack files of the folder that it runs in."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_NEEDED))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def run(argv: Sequence[str], folder: Path, environment: Mapping[str, str], report: list[str]) -> int:
    """Run a command, print its lines as they arrive, add them to ``report``, and return its exit code."""
    with subprocess.Popen(  # noqa: S603 - our own arguments
        argv, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            sys.stdout.write(line)
            report.append(ESCAPES.sub("", line))
    return process.returncode


def preview(stack: str, *, offline: bool, drift: bool, report: list[str]) -> int:
    """Check and preview; return Pulumi's exit code. The lines that it prints are added to ``report``."""
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        report.append(f"{NO_CLI}\n")
        print(NO_CLI, file=sys.stderr)
        return 2
    # In a first preview, as for a fork, guard rails skip values that AWS has not computed; this check mocks them.
    found = [] if drift else [problem for result in check(stack) for problem in result.problems]
    if found:
        report += [line + "\n" for line in (f"{stack} cannot be deployed, and was not previewed:", *found)]
        print("".join(report), end="", file=sys.stderr)
        return 1
    if not offline and build.main():
        return 2
    mode = ["--refresh", "--expect-no-changes", "--diff"] if drift else ["--policy-pack", "policy"]
    argv = [pulumi, "preview", "--stack", stack, "--non-interactive", "--color", "never", *mode]
    if not offline:
        return run(argv, ROOT, os.environ, report)
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy_project(Path(scratch, "project"))
        state = Path(scratch, "state")
        state.mkdir()
        environment = {**os.environ, **PLACEHOLDER_ENVIRONMENT, "PULUMI_BACKEND_URL": state.as_uri()}
        commands = [[pulumi, "stack", "init", stack, "--non-interactive"]]
        commands += [
            [pulumi, "config", "set", key, value, "--stack", stack] for key, value in PLACEHOLDER_SETTINGS.items()
        ]
        for command in (*commands, argv):
            code = run(command, folder, environment, report)
            if code:
                return code
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Preview, write the report, and return Pulumi's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.preview", description=__doc__)
    parser.add_argument("--stack", required=True)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--offline", action="store_true", help="without an AWS account, Pulumi state or secrets")
    kind.add_argument("--drift", action="store_true", help="fail if a resource was changed outside Pulumi")
    parser.add_argument("--report", type=Path, help="write Pulumi's output to this file")
    options = parser.parse_args(arguments)
    report: list[str] = []
    try:
        return preview(options.stack, offline=options.offline, drift=options.drift, report=report)
    finally:
        if options.report:
            options.report.parent.mkdir(parents=True, exist_ok=True)
            options.report.write_text("".join(report), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
