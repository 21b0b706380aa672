"""What a client knows of a stack: its outputs, from the local run, from Pulumi or from a file."""

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
"""Reading a stack's outputs takes Pulumi a second or two; a login prompt that nobody sees would take for ever."""


class Outputs(LocalOutputs):
    """A stack's outputs, or a local run's.

    Attributes:
        source: how the outputs were found: ``local``, ``stack NAME`` or a path.
        folder: a local run's folder, with its graphs and logs.
    """

    source: str = Field(default="", exclude=True)
    folder: Path | None = Field(default=None, exclude=True)

    @property
    def is_local(self) -> bool:
        """Whether these are a local run's."""
        return self.endpoint_url is not None

    @property
    def names_session(self) -> bool:
        """Whether the caller names the session; where not, the gateway does (``api.sessionFrom``)."""
        return self.session_from == "header"

    @property
    def route(self) -> str:
        """The path of the API's resource that takes questions, below its stage."""
        path = self.invoke_url.removeprefix(self.api_url) if self.api_url else ""
        return path if path.startswith("/") else ROUTE

    @property
    def option(self) -> str:
        """How a command line names this stack, with a space before it; empty for the local run, which is the usual."""
        if self.source in ("", "local"):
            return ""
        name = self.source.removeprefix("stack ")
        return f" --outputs {shlex.quote(name)}" if name == self.source else f" --stack {shlex.quote(name)}"


def read_outputs(path: Path) -> Outputs:
    """Read a file of outputs.

    Raises:
        OutputsError: when it is missing or is not one.
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
    """Ask Pulumi for a stack's outputs.

    Raises:
        OutputsError: when Pulumi is missing, refuses, or the stack is not deployed.
    """
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise OutputsError(
            "The Pulumi CLI is not on the PATH: install it, or pass --outputs with a file that "
            "`pulumi stack output --json` wrote elsewhere."
        )
    try:
        done = subprocess.run(  # noqa: S603 - the name is passed as one argument, to a program found on the PATH
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


# What Pulumi says, in lower case, and what to do about it.
_ADVICE = (
    (("pulumi_access_token", "pulumi login", "not logged in", "unauthorized"), "run `pulumi login`"),
    (("no pulumi.yaml", "no project file", "could not find pulumi.yaml"), "run it in the project's folder"),
    (("passphrase",), "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"),
    (("no stack named", "not found"), "check the name with `pulumi stack ls`"),
    (("expiredtoken", "credentials"), "sign in to the AWS account that keeps the stack's state"),
)


def _advice(said: str, stack: str) -> str:
    """The next step that fits the reason."""
    lowered = said.lower()
    fitting = (step for words, step in _ADVICE if any(one in lowered for one in words))
    return next(fitting, f"run `pulumi up --stack {stack}`")


def parse_outputs(text: str, *, source: str, what: str, folder: Path | None) -> Outputs:
    """The outputs in a JSON text.

    Args:
        text: a JSON object.
        source: how the outputs were found, for `Outputs.source`.
        what: what holds the text, to begin a sentence with.
        folder: where a local run keeps its files.

    Raises:
        OutputsError: naming every output that is missing or wrong.
    """
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise OutputsError(f"{what} does not hold a stack's outputs; it is not JSON.") from None
    if not isinstance(given, dict) or not given:
        raise OutputsError(f"{what} does not hold a stack's outputs: deploy it with `pulumi up` first.")
    endpoint = given.get("endpointUrl")
    if isinstance(endpoint, str) and not _on_this_machine(endpoint):
        raise OutputsError(
            f"{what} names {endpoint} as the local run's endpointUrl, and that is not on this machine: use the outputs "
            "that the local run wrote.",
            ("endpointUrl",),
        )
    try:
        return Outputs.model_validate({**given, "source": source, "folder": folder if "endpointUrl" in given else None})
    except ValidationError as error:
        keys = tuple(str(detail["loc"][0]) if detail["loc"] else "all of it" for detail in error.errors())
        raise OutputsError(f"{what} does not hold a stack's outputs; at fault: {', '.join(keys)}.", keys) from None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")  # RFC 6761


def _on_this_machine(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
