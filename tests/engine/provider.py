"""A stand-in for the AWS provider that a real Pulumi engine talks to: a gRPC ``ResourceProvider`` of the tests' own.

It keeps what the bridge of pulumi-aws promises the engine: computed outputs are unknown in a preview, a resource
without a name of its own gets one with a random end, a changed input of `tests.engine.forced` replaces the resource,
one of its `KEPT` that is left out stays as it was, and a name that somebody chose is freed before it is used again.
Ids, ARNs and addresses are those of `local.program.mocked_outputs`. AWS is `Cloud`: what exists, and every change in
its order.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, resource_pb2, resource_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from local.program.provider import MockProvider
from tests.engine.forced import FORCED, KEPT
from tests.infra.sdk import computed, takes_a_name

Properties = dict[str, Any]


class Change(NamedTuple):
    """Something that was done in AWS: ``create``, ``update`` or ``delete`` of a resource, by its type and name."""

    what: str
    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.what} {self.type.rpartition(':')[2]} {self.name}"


@dataclass
class Cloud:
    """What exists, and what was done, in order.

    Attributes:
        existing: the properties of every resource by its id and type.
        changes: every change since the list was last cleared.
        constructed: the components of awsx that are there, by type and name.
        refuses: says of a change whether AWS refuses it, in words; None when it does not.
    """

    region: str = "us-east-1"
    existing: dict[tuple[str, str], Properties] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    constructed: set[tuple[str, str]] = field(default_factory=set)
    refuses: Callable[[Change, Properties], str | None] = lambda _change, _properties: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def all(self, kind: str) -> list[Properties]:
        """The properties of everything of a kind (``RestApi``) that exists."""
        return [properties for (type_, _), properties in self.existing.items() if type_.endswith(f":{kind}")]


class Refused(Exception):  # noqa: N818 - as AWS says it
    """A change that AWS refuses."""


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine for ``aws`` and ``random``, and constructs ``awsx``'s components."""

    def __init__(self, cloud: Cloud, *, accepts_secrets: bool = False) -> None:
        self.cloud = cloud
        self._accepts_secrets = accepts_secrets
        self._imagined = MockProvider(cloud.region)

    # Configuration: nothing to check, nothing to keep.

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802 - the names are gRPC's
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=self._accepts_secrets)

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version="7.51.1")

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        # Like the bridge it sees no secrets: the engine itself marks each output whose input was one.
        return provider_pb2.ConfigureResponse(acceptSecrets=self._accepts_secrets, supportsPreview=True)

    # Resources.

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        type_, name = _named(request.urn)
        olds, news = _read(request.olds), _read(request.news)
        key = takes_a_name(type_)
        if key and key not in news:
            auto = olds.get("__defaults") == [key]
            news[key] = olds[key] if auto else f"{name}-{secrets.token_hex(4)[:7]}"
            news["__defaults"] = [key]
        return provider_pb2.CheckResponse(inputs=_written(news))

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        type_, _ = _named(request.urn)
        olds, news = _read(request.old_inputs), _read(request.news)
        live = _read(request.olds)
        for path in KEPT.get(type_, ()):
            _keep(path, live, news)
            _keep(path, live, olds)
        # An input that the stack file tells to ignore comes as it was.
        changed = [key for key in {*olds, *news} if olds.get(key) != news.get(key) and key != "__defaults"]
        replaces = [key for key in changed if key in FORCED[type_]]
        chosen = takes_a_name(type_)
        kept_name = chosen is not None and news.get("__defaults") != [chosen] and chosen not in changed
        if type_.endswith(":RestApi") and "endpointConfiguration" in changed:
            _check_address_type(news, context)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted(changed),
            replaces=sorted(replaces),
            deleteBeforeReplace=bool(replaces) and kept_name,
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        type_, name = _named(request.urn)
        inputs = _read(request.properties)
        if request.preview:
            unknown = {key: UNKNOWN for key in computed(type_) if key not in inputs}
            return provider_pb2.CreateResponse(properties=_written({**inputs, **unknown}))
        physical = f"{name}-{secrets.token_hex(2)}"
        id_, outputs = self._imagined.create(type_, physical, inputs)
        if type_.endswith("/bucket:Bucket"):  # its id is its name, by which others refer to it
            outputs = {key: str(value).replace(id_, inputs["bucket"]) for key, value in outputs.items()}
            id_ = inputs["bucket"]
        properties = {**inputs, **{key: value for key, value in outputs.items() if key not in inputs}}
        with self._changing(Change("create", type_, name), properties, context):
            self.cloud.existing[type_, id_] = properties
        return provider_pb2.CreateResponse(id=id_, properties=_written(properties))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        type_, name = _named(request.urn)
        olds, old_inputs, news = _read(request.olds), _read(request.old_inputs), _read(request.news)
        for path in KEPT.get(type_, ()):
            _keep(path, olds, news)
        dropped = old_inputs.keys() - news.keys()
        properties = {key: value for key, value in olds.items() if key not in dropped} | news
        if "agentRuntimeVersion" in olds and type_.endswith(":AgentcoreAgentRuntime"):
            properties["agentRuntimeVersion"] = (
                UNKNOWN if request.preview else str(int(olds["agentRuntimeVersion"]) + 1)
            )
        if not request.preview:
            with self._changing(Change("update", type_, name), properties, context):
                self.cloud.existing[type_, request.id] = properties
        return provider_pb2.UpdateResponse(properties=_written(properties))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        type_, name = _named(request.urn)
        with self._changing(Change("delete", type_, name), _read(request.properties), context):
            self.cloud.existing.pop((type_, request.id), None)
        return empty_pb2.Empty()

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        type_, _ = _named(request.urn)
        found = self.cloud.existing.get((type_, request.id))
        if found is None:
            return provider_pb2.ReadResponse()
        inputs = {key: found.get(key, value) for key, value in _read(request.inputs).items()}
        return provider_pb2.ReadResponse(id=request.id, properties=_written(found), inputs=_written(inputs))

    def Construct(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A component of awsx: registered with the engine as the real one is, without resources below it."""
        inputs = _read(request.inputs)
        _, outputs = self._imagined.create(request.type, request.name, inputs)
        made = (request.type, request.name)
        if request.dryRun and made not in self.cloud.constructed:
            outputs = dict.fromkeys(outputs, UNKNOWN)
        elif not request.dryRun:
            self.cloud.constructed.add(made)
        with grpc.insecure_channel(request.monitorEndpoint) as channel:
            monitor = resource_pb2_grpc.ResourceMonitorStub(channel)
            registered = monitor.RegisterResource(
                resource_pb2.RegisterResourceRequest(type=request.type, name=request.name, parent=request.parent)
            )
            monitor.RegisterResourceOutputs(
                resource_pb2.RegisterResourceOutputsRequest(urn=registered.urn, outputs=_written(outputs))
            )
        return provider_pb2.ConstructResponse(urn=registered.urn, state=_written(outputs))

    @contextmanager
    def _changing(self, change: Change, properties: Properties, context: grpc.ServicerContext) -> Iterator[None]:
        with self.cloud.lock:
            refusal = self.cloud.refuses(change, properties)
            if refusal is not None:
                context.abort(grpc.StatusCode.UNKNOWN, refusal)
            self.cloud.changes.append(change)
            yield


@contextmanager
def serving(cloud: Cloud) -> Iterator[str]:
    """Serve the stand-in on loopback; gives what ``PULUMI_DEBUG_PROVIDERS`` is to say."""
    with _server(StandIn(cloud)) as port, _server(StandIn(cloud, accepts_secrets=True)) as components:
        yield f"aws:{port},random:{port},awsx:{components}"


@contextmanager
def _server(provider: StandIn) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(max_workers=32))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def _named(urn: str) -> tuple[str, str]:
    """The type and the name in a URN."""
    _, _, types, name = urn.split("::", 3)
    return types.rpartition("$")[2], name


def _read(struct: struct_pb2.Struct) -> Properties:
    return {key: _numbered(value) for key, value in json_format.MessageToDict(struct).items() if value is not None}


def _numbered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbered(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbered(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _written(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    json_format.ParseDict(dict(properties), struct)
    return struct


def _keep(path: str, live: Mapping[str, Any], news: Properties) -> None:
    """Give an input that was left out its present value."""
    section, _, key = path.rpartition(".")
    source = live.get(section, {}) if section else live
    if section:
        news[section] = target = dict(news.get(section) or {})
    else:
        target = news
    if key in source and target.get(key) is None:
        target[key] = source[key]


def _check_address_type(inputs: Mapping[str, Any], context: grpc.ServicerContext) -> None:
    """The provider refuses a private API with IPv4 addresses alone while it plans."""
    endpoint = inputs.get("endpointConfiguration", {})
    if endpoint.get("types") == "PRIVATE" and endpoint.get("ipAddressType") == "ipv4":
        context.abort(grpc.StatusCode.UNKNOWN, "ip_address_type must be dualstack when types is PRIVATE")
