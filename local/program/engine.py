"""Runs the Pulumi program without the Pulumi engine, and records what it registers.

Replaces the resource monitor, below Pulumi's own mocks: mocks get type, name and inputs only, and the graph needs
parents, dependencies and options as well. Values stay in their wire form (JSON with signatures), so nothing depends
on how Pulumi deserialises assets and secrets.
"""

from __future__ import annotations

import asyncio
import logging
import runpy
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pulumi
from google.protobuf import json_format, struct_pb2
from pulumi.runtime import mocks
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.rpc import UNKNOWN
from pulumi.runtime.settings import get_root_resource, reset_options
from pulumi.runtime.stack import Stack, run_pulumi_func

from local import ROOT
from local.program.graph import Graph, MockedOutputs, ProgramError, Provider, Resource

# How Pulumi marks a special value on the wire (pulumi/runtime/rpc.py).
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type tag, not a secret


def run_program(
    project: str,
    stack: str,
    settings: Mapping[str, str],
    provider: Provider,
    *,
    preview: bool,
    secret: Collection[str] = (),
) -> Graph:
    """Evaluate ``__main__.py`` once; see `local.program.evaluate.evaluate`.

    This is always a dry run for the program, because nothing is deployed: so it does not require what only a
    deployment needs, such as the built package. Without ``preview``, an output that the provider does not return is
    None instead of unknown.

    Raises:
        ProgramError: with the program's own message when it rejects its settings.
    """
    reset_options()
    pulumi.runtime.set_all_config(dict(settings), list(secret))
    monitor = _Recorder(provider, missing=UNKNOWN if preview else None)

    async def run() -> dict[str, Any]:
        # Inside the event loop, because the root resource that this creates is bound to the running loop.
        mocks.set_mocks(_NoMocks(), project=project, stack=stack, preview=True, monitor=monitor, logger=_quiet_logger())
        await run_pulumi_func(_program)
        return await _exports(monitor.secrets)

    try:
        outputs = asyncio.run(run())
    except pulumi.RunError as error:
        raise ProgramError(str(error)) from None
    return Graph(
        project=project,
        stack=stack,
        region=settings.get("aws:region", ""),
        # Registrations run concurrently; sorted, the same program gives the same graph.
        resources=tuple(sorted(monitor.recorded, key=lambda resource: resource.urn)),
        outputs=outputs,
        calls=tuple(monitor.calls),
        secrets=tuple(sorted(monitor.secrets)),
    )


async def _program() -> None:
    runpy.run_path(str(ROOT / "__main__.py"))


async def _exports(secrets: set[str]) -> dict[str, Any]:
    """The program's exports; the strings in those that are secret are added to ``secrets``."""
    root = get_root_resource()
    if not isinstance(root, Stack):
        raise TypeError("Pulumi has no root stack after a program ran")
    exported = {name: pulumi.Output.from_input(value) for name, value in root.outputs.items()}
    values = {name: await output.future() for name, output in exported.items()}
    secrets.update(*[_texts(values[name]) for name, output in exported.items() if await output.is_secret()])
    return {name: _as_number(value) for name, value in values.items()}  # None where something is still unknown


class _Recorder(mocks.MockMonitor):
    """A resource monitor that records each registration and takes ids and outputs from the provider."""

    def __init__(self, provider: Provider, *, missing: str | None) -> None:
        super().__init__(_NoMocks())
        self._provider = provider
        self._missing = missing
        self.recorded: list[Resource] = []
        self.calls: list[str] = []
        self.secrets: set[str] = set()

    def Invoke(self, request: Any) -> Any:  # noqa: N802 - the name is Pulumi's
        self.calls.append(request.tok)
        return super().Invoke(request)  # type: ignore[no-untyped-call]  # untyped in Pulumi

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the name is Pulumi's
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        wire = json_format.MessageToDict(request.object)
        self.secrets.update(_secret_texts(wire))
        inputs: dict[str, Any] = {key: _plain(value, self._missing) for key, value in wire.items()}
        # A remote component (awsx) is created by its provider, so it has outputs like a resource.
        created = request.custom or request.remote
        nothing: MockedOutputs = ("", {})
        id_, outputs = self._provider.create(request.type, request.name, inputs) if created else nothing
        self.recorded.append(
            Resource(
                type=request.type,
                name=request.name,
                urn=urn,
                parent="" if "::pulumi:pulumi:Stack::" in request.parent else request.parent,
                inputs=inputs,
                secret_inputs=tuple(sorted(key for key, value in wire.items() if _holds_secret(value))),
                id=id_,
                outputs={**inputs, **outputs},
                depends_on=tuple(sorted(request.dependencies)),  # Pulumi collects them in a set
                custom=request.custom,
                protect=request.protect,
                retain_on_delete=request.retainOnDelete,
                delete_before_replace=request.deleteBeforeReplace,
                secret_outputs=tuple(sorted(request.additionalSecretOutputs)),
            )
        )
        answer = struct_pb2.Struct()
        # A resource's inputs are outputs too; a remote component's are not, and their types may differ.
        json_format.ParseDict(outputs if request.remote else {**wire, **outputs}, answer)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=id_, object=answer)


class _NoMocks(mocks.Mocks):
    """Required by `set_mocks`; the recorder answers registrations itself, so only look-ups get here."""

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        return {}, None

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", dict(args.inputs)


def _plain(value: Any, missing: str | None) -> Any:
    """A wire value without its signatures: a secret in clear, an asset as its path or text, 3.0 as 3."""
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return _plain(value["value"], missing)
        return {key: _plain(item, missing) for key, item in value.items() if key != _SIGNATURE}
    if isinstance(value, list):
        return [_plain(item, missing) for item in value]
    return missing if value == UNKNOWN else _as_number(value)


def _as_number(value: Any) -> Any:
    """Protobuf has one number type, a float: a whole number becomes an integer again."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get(_SIGNATURE) == _SECRET or any(_holds_secret(item) for item in value.values())
    return isinstance(value, list) and any(_holds_secret(item) for item in value)


def _secret_texts(wire: Any) -> Iterator[str]:
    """The strings in a wire value's secrets."""
    if isinstance(wire, dict) and wire.get(_SIGNATURE) == _SECRET:
        yield from _texts(wire["value"])
    for part in wire.values() if isinstance(wire, dict) else wire if isinstance(wire, list) else ():
        yield from _secret_texts(part)


def _texts(value: Any) -> Iterator[str]:
    """Every string in a value that is not empty."""
    if isinstance(value, str):
        yield from filter(None, [value])
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(part)


def _quiet_logger() -> logging.Logger:
    logger = logging.getLogger("agent-stream.program")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
