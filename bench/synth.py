"""`cdk synth` of the app in `bench/cdk`: the peer of the Pulumi program's evaluation.

CDK's packages and its CLI are pinned beside the app and installed on first use, once, into a folder of their own below
`.build`; `make setup` knows nothing of them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from local import ROOT
from tools.builds import BUILDS, folder_of, make_once
from tools.node import NodeError, node_environment

APP = ROOT / "bench" / "cdk"
PINS = ("requirements.txt", "package.json", "package-lock.json")


class SynthError(Exception):
    """CDK cannot be had here, or does not synthesize; the message says why in one sentence."""


def cdk_folder() -> Path:
    """Where CDK is, or would be, installed: its name is the digest of what is pinned."""
    return folder_of("cdk", [APP / name for name in PINS], BUILDS)


def install() -> Path:
    """The folder of CDK, with `venv` and `node_modules` in it, after installing it where it is not there yet.

    Raises:
        SynthError: when there is no Node, or a package cannot be had.
    """
    folder = cdk_folder()
    make_once(folder, _install)
    return folder


def _install(made: Path) -> None:
    made.mkdir()
    for name in PINS:
        shutil.copy(APP / name, made)
    python = made / "venv" / "bin" / "python"
    uv = (sys.executable, "-m", "uv")
    _done([*uv, "venv", "--quiet", "--python", sys.executable, str(python.parent.parent)], made)
    install = (*uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:")
    _done([*install, "--python", str(python), "-r", "requirements.txt"], made)
    _done(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], made)


def synth(out: Path, *, validate: bool = False) -> Path:
    """Synthesize the app as its user does, at the command line; gives the template.

    The CLI is kept from asking anything of the network, and the libraries' cache is below `.build`.

    Args:
        out: where the cloud assembly is written.
        validate: hold the template against CloudFormation's schemas too, as CDK does unless told otherwise.

    Raises:
        SynthError: when CDK is not installed, cannot be, or does not synthesize.
    """
    folder = install()
    command = [str(folder / "node_modules" / ".bin" / "cdk"), "synth", "--quiet", "--no-notices", "--output", str(out)]
    _done(
        [*command, "--app", f"{folder / 'venv' / 'bin' / 'python'} -m bench.cdk.app"],
        ROOT,
        CDK_DISABLE_CLI_TELEMETRY="true",
        CDK_HOME=str(folder / "home"),
        CDK_VALIDATION=str(validate).lower(),
        JSII_RUNTIME_PACKAGE_CACHE_ROOT=str(folder / "jsii"),
    )
    (template,) = out.glob("*.template.json")
    return template


def _done(command: list[str], folder: Path, **environment: str) -> None:
    try:
        known = node_environment()
    except NodeError as error:
        raise SynthError(str(error)) from None
    # Without the caller's AWS profile, in which CDK would look for an account.
    kept = {name: value for name, value in known.items() if not name.startswith(("AWS_", "PYTHON"))}
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, cwd=folder, env={**kept, **environment}, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise SynthError(f"{command[0]} cannot be started: {error.strerror}.") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise SynthError(f"`{Path(command[0]).name} {' '.join(command[1:4])}` failed: {' '.join(said)[-300:]}")
