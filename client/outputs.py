"""A stack's outputs, read from the local run, from Pulumi or from a file."""

from __future__ import annotations

import ipaddress
import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from client.errors import OutputsError
from contract import ROUTE, LocalOutputs

LOCAL_OUTPUTS = Path(".local/outputs.json")

PULUMI_SECONDS = 60
"""Timeout for reading a stack's outputs, which takes Pulumi a second or two; a hidden login prompt would never end."""


class Outputs(LocalOutputs):
    """A stack's outputs, or a local run's.

    Attributes:
        source: where the outputs come from: ``local``, ``stack NAME`` or a path.
        folder: a local run's folder, with its graphs and logs.
    """

    source: str = Field(default="", exclude=True)
    folder: Path | None = Field(default=None, exclude=True)

    @property
    def is_local(self) -> bool:
        """Whether these are the outputs of a local run."""
        return self.endpoint_url is not None

    @property
    def sends_session(self) -> bool:
        """Whether the client sends the session header; otherwise the gateway sets it (``api.sessionFrom``)."""
        return self.session_from == "header"

    @property
    def route(self) -> str:
        """The path of the API's resource for questions, relative to the stage."""
        path = self.invoke_url.removeprefix(self.api_url) if self.api_url else ""
        return path if path.startswith("/") else ROUTE

    @property
    def option(self) -> str:
        """The command-line option that selects this stack, with a leading space; empty for the local run."""
        if self.source in ("", "local"):
            return ""
        name = self.source.removeprefix("stack ")
        return f" --outputs {shlex.quote(name)}" if name == self.source else f" --stack {shlex.quote(name)}"


def read_outputs(path: Path) -> Outputs:
    """Read a file of outputs.

    Raises:
        OutputsError: when it is missing or invalid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        hint = "`python -m local up` writes it" if path == LOCAL_OUTPUTS else "check the path"
        raise OutputsError(f"There is no {path}: {hint}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise OutputsError(f"{path} cannot be read: {error}.") from None
    source = "local" if path == LOCAL_OUTPUTS else str(path)
    return parse_outputs(text, source=source, what=str(path), folder=path.resolve().parent)


def stack_outputs(stack: str) -> Outputs:
    """Read a stack's outputs with the Pulumi CLI.

    Raises:
        OutputsError: when Pulumi is missing, refuses, or the stack is not deployed.
    """
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise OutputsError(
            "The Pulumi CLI is not on the PATH: install it, or pass --outputs with a file written by "
            "`pulumi stack output --json`."
        )
    try:
        done = subprocess.run(  # noqa: S603 - the stack's name is a single argument; no shell is involved
            [pulumi, "stack", "output", "--json", "--stack", stack, "--non-interactive"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PULUMI_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OutputsError(
            f"Pulumi did not answer within {PULUMI_SECONDS} s: run `pulumi stack output` once."
        ) from None
    except OSError as error:
        raise OutputsError(
            f"{pulumi} cannot be run ({error.strerror}): install the Pulumi CLI again, or pass --outputs with a file."
        ) from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise OutputsError(f"Pulumi has no outputs of the stack {stack} ({said}): {_advice(done.stderr, stack)}.")
    return parse_outputs(done.stdout, source=f"stack {stack}", what=f"The stack {stack}", folder=None)


# Fragments of Pulumi's error messages, in lower case, and the next step for each.
_ADVICE = (
    (("pulumi_access_token", "pulumi login", "not logged in", "unauthorized"), "run `pulumi login`"),
    (("no pulumi.yaml", "no project file", "could not find pulumi.yaml"), "run it in the project's folder"),
    (("passphrase",), "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"),
    (("no stack named", "not found"), "check the name with `pulumi stack ls`"),
    (("expiredtoken", "credentials"), "sign in to the AWS account of the stack's state backend"),
)


def _advice(said: str, stack: str) -> str:
    """The next step for Pulumi's error message."""
    lowered = said.lower()
    fitting = (step for words, step in _ADVICE if any(one in lowered for one in words))
    return next(fitting, f"run `pulumi up --stack {stack}`")


def parse_outputs(text: str, *, source: str, what: str, folder: Path | None) -> Outputs:
    """Parse outputs from JSON.

    Args:
        text: a JSON object.
        source: see `Outputs.source`.
        what: the source of the text, as the subject of an error message.
        folder: see `Outputs.folder`.

    Raises:
        OutputsError: naming every output that is missing or invalid.
    """
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise OutputsError(
            f"{what} does not contain a stack's outputs: it is not JSON; write it with `pulumi stack output --json`."
        ) from None
    if not isinstance(given, dict) or not given:
        raise OutputsError(f"{what} does not contain a stack's outputs: deploy it with `pulumi up` first.")
    endpoint = given.get("endpointUrl")
    if isinstance(endpoint, str) and not _on_this_machine(endpoint):
        raise OutputsError(
            f"{what} has the endpointUrl {endpoint}, which is not on this machine: use the outputs that the local run "
            "wrote.",
            ("endpointUrl",),
        )
    try:
        return Outputs.model_validate({**given, "source": source, "folder": folder if "endpointUrl" in given else None})
    except ValidationError as error:
        keys = tuple(str(detail["loc"][0]) if detail["loc"] else "all of it" for detail in error.errors())
        raise OutputsError(
            f"{what} does not contain a stack's outputs; missing or invalid: {', '.join(keys)}.", keys
        ) from None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")  # RFC 6761


def _on_this_machine(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
