"""The stack's outputs as a client of the local run needs them: what it connects to is on loopback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from local.planes.addresses import AddressBook, UnknownHostError
from local.program.graph import Graph, ProgramError

ADDRESSES = ("apiUrl", "invokeUrl", "discoveryUrl", "loginUrl", "runtimeUrl")
"""Outputs that a client connects to; `issuer` is a name and stays as AWS writes it."""

REPLACED = ("websiteUrl",)
"""Outputs that lead to AWS, where the local run has one of its own or none."""


def addresses_of(graph: Graph, url: Callable[[str], str]) -> AddressBook:
    """Which part of the chain answers for which AWS host.

    Args:
        graph: what the program declares and exports.
        url: the loopback address of a part, by its name.
    """
    hosts = {
        f"cognito-idp.{graph.region}.amazonaws.com": "emulator",
        f"bedrock-agentcore.{graph.region}.amazonaws.com": "runtime",
        str(urlsplit(graph.outputs["loginUrl"]).hostname): "emulator",
        str(urlsplit(graph.outputs["apiUrl"]).hostname): "gateway",
    }
    return AddressBook({host: url(name) for host, name in hosts.items()})


def check_outputs(graph: Graph) -> None:
    """See that the program exports what the local run goes by.

    Raises:
        ProgramError: when an address is missing, or on a host that nothing on loopback answers for.
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
        raise ProgramError(f"An output of the program leads elsewhere: {error}") from None


def located(outputs: Mapping[str, Any], addresses: AddressBook) -> dict[str, Any]:
    """The outputs with every address on loopback, and without those that lead to AWS.

    Raises:
        UnknownHostError: when nothing on loopback answers for one.
    """
    kept = {name: value for name, value in outputs.items() if name not in REPLACED}
    return {**kept, **{name: addresses.locate(outputs[name]) for name in ADDRESSES}}
