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
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from local import ROOT
from local.program.graph import Graph, ProgramError, Provider
from local.program.provider import MockProvider


def project_name() -> str:
    """The project's name in ``Pulumi.yaml``: the namespace of every configuration key without one."""
    return str(yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["name"])


def known_stacks() -> dict[str, Path]:
    """Every stack that has a file, with its file."""
    return {path.name.removeprefix("Pulumi.").removesuffix(".yaml"): path for path in ROOT.glob("Pulumi.*.yaml")}


def stack_file(stack: str) -> Path:
    """The settings file of a stack, which must exist.

    Raises:
        ProgramError: when there is none; the message names those there are.
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

    A value that Pulumi encrypted cannot be read without the engine and is replaced by a placeholder.

    Raises:
        ProgramError: when the file cannot be read.
    """
    return {key: _as_text(value) for key, value in _values(stack).items()}


def secret_keys(stack: str) -> frozenset[str]:
    """The keys whose value Pulumi has encrypted, in part or whole, as it passes them to a program.

    Raises:
        ProgramError: when the file cannot be read.
    """
    return frozenset(key for key, value in _values(stack).items() if _readable(value) != value)


def _values(stack: str) -> dict[str, Any]:
    """The entries below ``config:`` in a stack's file, each key with its namespace."""
    path = stack_file(stack)
    try:
        content = _keys(yaml.safe_load(path.read_text(encoding="utf-8")), "its top")
        settings = _keys(content.get("config"), "what is below `config:`")
        namespace = project_name()
        values = {str(key) if ":" in str(key) else f"{namespace}:{key}": value for key, value in settings.items()}
        json.dumps(values, default=str)  # a value that is not JSON raises here
        return values
    # YAML allows an anchor that refers to itself, hundreds of nested brackets, and a date as a key; JSON does not.
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ProgramError(f"{path.name} cannot be read as a stack's settings ({reason}): correct the file.") from None


def _keys(value: Any, what: str) -> dict[Any, Any]:
    if not isinstance(value, dict | None):
        raise TypeError(f"{what} must be a mapping, such as `config:` and below it `aws:region: eu-west-1`")
    return value or {}


def _as_text(value: Any) -> str:
    readable = _readable(value)
    return readable if isinstance(readable, str) else json.dumps(readable, default=str)


def _readable(value: Any) -> Any:
    """A value with a placeholder for every encrypted part.

    The placeholder is an e-mail address, because the only setting that may be encrypted is whom alarms are sent to.
    Each placeholder differs, because no address may be listed twice.
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

    Pulumi keeps global state, so evaluations in one process must not overlap.

    Args:
        stack: the stack's name, as in ``Pulumi.<stack>.yaml``.
        provider: returns ids and outputs in place of AWS.
        settings: flat Pulumi configuration in place of the stack's file.
        preview: evaluate as ``pulumi preview`` does; a provider may then leave ids and outputs out.

    Raises:
        ProgramError: when the settings are invalid or the program fails.
    """
    project = project_name()
    values = read_settings(stack) if settings is None else dict(settings)
    secret = secret_keys(stack) if settings is None else frozenset()
    with _garbage_collection_off():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pulumi's own libraries, on import
            from local.program.engine import run_program  # noqa: PLC0415 - slow, and not needed for an invalid stack
        with warnings.catch_warnings():
            # Importing a provider's module warns of its deprecated resources, whether the program uses them or not.
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"pulumi_\w+\.")
            try:
                with redirect_stdout(sys.stderr), _stdout_to_stderr():
                    return run_program(project, stack, values, provider, preview=preview, secret=secret)
            except SystemExit as stop:
                raise ProgramError(f"The program exited ({stop.code}) before its end: remove the exit.") from None


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Redirect what the program's child processes print to standard error, so that it is not part of our output."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def _garbage_collection_off() -> Iterator[None]:
    """Turn the garbage collector off inside the block, and freeze what exists after the first one (`gc.freeze`).

    The providers' modules are hundreds of thousands of objects that stay: collecting while they load takes more than
    half a second of three, and collecting them when the process ends takes another.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        _freeze_once()
        if was_enabled:
            gc.enable()


@cache
def _freeze_once() -> None:
    gc.freeze()


def main(arguments: list[str]) -> int:
    """``python -m local.program.evaluate STACK``: the graph as JSON on standard output; exits with 2 without one."""
    if len(arguments) != 1:
        print("Name one stack: `python -m local.program.evaluate STACK`.", file=sys.stderr)
        return 2
    (stack,) = arguments
    try:
        print(evaluate(stack, MockProvider(read_settings(stack).get("aws:region", ""))).to_json())
    except ProgramError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
