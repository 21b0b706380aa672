"""The stack's outputs for a client of the local run, with loopback addresses in place of AWS's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from local.planes.addresses import AddressBook, UnknownHostError
from local.program.graph import Graph, ProgramError

ADDRESSES = ("apiUrl", "invokeUrl", "discoveryUrl", "loginUrl", "runtimeUrl")
"""Outputs that a client connects to; `issuer` is a name and stays as AWS writes it."""

REPLACED = ("websiteUrl",)
"""Outputs with an AWS address that the local run replaces by its own, or leaves out."""


def addresses_of(graph: Graph, url: Callable[[str], str]) -> AddressBook:
    """The loopback address of the service that emulates each AWS host.

    Args:
        graph: what the program declares and exports.
        url: the loopback address of a service, by its name.
    """
    hosts = {
        f"cognito-idp.{graph.region}.amazonaws.com": "emulator",
        f"bedrock-agentcore.{graph.region}.amazonaws.com": "runtime",
        str(urlsplit(graph.outputs["loginUrl"]).hostname): "emulator",
        str(urlsplit(graph.outputs["apiUrl"]).hostname): "gateway",
    }
    return AddressBook({host: url(name) for host, name in hosts.items()})


def check_outputs(graph: Graph) -> None:
    """Check that the program exports the addresses that the local run needs.

    Raises:
        ProgramError: when an address is missing, or its host is one that no local service emulates.
    """
    missing = [name for name in ADDRESSES if not isinstance(graph.outputs.get(name), str)]
    if missing:
        raise ProgramError(
            f"The program does not export {' or '.join(missing)}, which a client connects to: add "
            "it to contract.StackOutputs and to __main__.py."
        )
    try:
        located(graph.outputs, addresses_of(graph, lambda name: f"http://{name}"))
    except UnknownHostError as error:
        raise ProgramError(f"An output of the program has no local address: {error}") from None


def located(outputs: Mapping[str, Any], addresses: AddressBook) -> dict[str, Any]:
    """The outputs with every address on loopback, without those in `REPLACED`.

    Raises:
        UnknownHostError: when no local service emulates the host of one.
    """
    kept = {name: value for name, value in outputs.items() if name not in REPLACED}
    return {**kept, **{name: addresses.locate(outputs[name]) for name in ADDRESSES}}
