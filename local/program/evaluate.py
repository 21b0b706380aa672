"""Evaluates the program: a stack's settings in, its resource graph out.

``python -m local.program.evaluate STACK`` prints the graph as JSON.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import yaml

from local import ROOT
from local.program.graph import Graph, ProgramError, Provider
from local.program.provider import ImaginedProvider


def project_name() -> str:
    """The project's name in ``Pulumi.yaml``: the namespace of every key that has none of its own."""
    return str(yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["name"])


def known_stacks() -> dict[str, Path]:
    """Every stack that has a file, with its file."""
    return {path.name.removeprefix("Pulumi.").removesuffix(".yaml"): path for path in ROOT.glob("Pulumi.*.yaml")}


def stack_file(stack: str) -> Path:
    """The settings file of a stack, which must exist.

    Raises:
        ProgramError: when there is none, naming those there are.
    """
    known = known_stacks()
    if stack in known:
        return known[stack]
    raise ProgramError(
        f"There is no stack {_brief(stack)!r}: known are {', '.join(sorted(known))}; "
        "each is a file Pulumi.<stack>.yaml."
    )


def _brief(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


def read_settings(stack: str) -> dict[str, str]:
    """The configuration as Pulumi hands it to a program: flat keys, structured values as JSON text.

    A key without a namespace is the project's own.

    A value that Pulumi encrypted cannot be read without the engine; a placeholder stands in for it.

    Raises:
        ProgramError: when the file cannot be read.
    """
    return {key: _as_text(value) for key, value in _values(stack).items()}


def secret_keys(stack: str) -> frozenset[str]:
    """The keys of which Pulumi has encrypted a part or all, as it tells a program.

    Raises:
        ProgramError: when the file cannot be read.
    """
    return frozenset(key for key, value in _values(stack).items() if _readable(value) != value)


def _values(stack: str) -> dict[str, Any]:
    """What stands below ``config:`` of a stack's file, each key with its namespace."""
    path = stack_file(stack)
    try:
        content = _keys(yaml.safe_load(path.read_text(encoding="utf-8")), "its top")
        settings = _keys(content.get("config"), "what is below `config:`")
        namespace = project_name()
        values = {str(key) if ":" in str(key) else f"{namespace}:{key}": value for key, value in settings.items()}
        json.dumps(values, default=str)  # so that what is no text and no structure is known here
        return values
    # An anchor inside itself and a hundred brackets within each other are YAML; a date as a key is not JSON.
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ProgramError(f"{path.name} cannot be read as a stack's settings ({reason}): mend it first.") from None


def _keys(value: Any, what: str) -> dict[Any, Any]:
    if not isinstance(value, dict | None):
        raise TypeError(f"{what} must be keys, such as `config:` and below it `aws:region: eu-west-1`")
    return value or {}


def _as_text(value: Any) -> str:
    readable = _readable(value)
    return readable if isinstance(readable, str) else json.dumps(readable, default=str)


def _readable(value: Any) -> Any:
    """A value with a placeholder for everything in it that is encrypted.

    The placeholder is an e-mail address, for whom alarms are sent to is the only setting that may be encrypted; each is
    another, for no address may stand twice.
    """
    if isinstance(value, dict) and value.keys() == {"secure"}:
        return f"encrypted-{hashlib.sha256(str(value['secure']).encode()).hexdigest()[:8]}@example.com"
    if isinstance(value, dict):
        return {key: _readable(each) for key, each in value.items()}
    return [_readable(each) for each in value] if isinstance(value, list) else value


def evaluate(
    stack: str, provider: Provider, *, settings: Mapping[str, str] | None = None, preview: bool = False
) -> Graph:
    """Run ``__main__.py`` for a stack and return what it declares.

    Pulumi keeps its state in the process, so two evaluations must not overlap in one.

    Args:
        stack: the stack's name, as in ``Pulumi.<stack>.yaml``.
        provider: what answers for AWS.
        settings: flat Pulumi configuration in place of the stack's file.
        preview: evaluate as ``pulumi preview`` does; a provider may then leave ids and outputs out.

    Raises:
        ProgramError: when the settings or the program are at fault.
    """
    project = project_name()
    values = read_settings(stack) if settings is None else dict(settings)
    secret = secret_keys(stack) if settings is None else frozenset()
    with _without_collecting():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the engine's own libraries, on import
            from local.program.engine import run_program  # noqa: PLC0415 - half a second that a bad setting need not pay
        with warnings.catch_warnings():
            # Importing a provider's module warns of its deprecated resources, whether the program uses them or not.
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"pulumi_\w+\.")
            try:
                with redirect_stdout(sys.stderr), _own_stdout():
                    return run_program(project, stack, values, provider, preview=preview, secret=secret)
            except SystemExit as stop:
                raise ProgramError(f"The program exits ({stop.code}) where it should reach its end.") from None


@contextmanager
def _own_stdout() -> Iterator[None]:
    """Lead what the program's own children print to standard error: it is not part of what is asked for."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Switch the garbage collector off for a while, and keep what is there after the first time out of its sight.

    The providers' modules are hundreds of thousands of objects that stay: collecting among them while they load costs
    more than half a second of three, and walking through them once more when the process ends costs another.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
        if collecting:
            gc.enable()


def main(arguments: list[str]) -> int:
    """``python -m local.program.evaluate STACK``: the graph as JSON on standard output; 2 when it cannot be had."""
    if len(arguments) != 1:
        print("Say which stack: `python -m local.program.evaluate STACK`.", file=sys.stderr)
        return 2
    (stack,) = arguments
    try:
        print(evaluate(stack, ImaginedProvider(read_settings(stack).get("aws:region", ""))).to_json())
    except ProgramError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
