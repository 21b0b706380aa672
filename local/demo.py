"""``make demo``: one answer streamed through the whole chain, the same answer buffered, and what the difference is."""

from __future__ import annotations

import asyncio
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from client.errors import ClientError
from client.outputs import Outputs
from client.signin import sign_in
from client.stream import ask
from local.chain import Chain, Options, running
from local.graph import Graph, ProgramError

PROMPT = "Why do words that stream feel faster?"
SAME_ARRIVAL_SECONDS = 0.005
"""Events closer together than this came in one piece: a person cannot see, and a network need not keep, the gap."""


class Measured(NamedTuple):
    """How one answer came: seconds from the question to the first and the last word, and in how many pieces."""

    first_word: float
    last_word: float
    arrivals: int


async def show(stack: str) -> None:
    """Run the demonstration; leaves nothing running and nothing written.

    Raises:
        ProgramError: with a sentence about what is at fault.
    """
    console = Console(highlight=False)
    began = time.monotonic()
    console.print(f"Bringing up the {stack} stack on loopback: Cognito, API Gateway, AgentCore, agent ...")
    with tempfile.TemporaryDirectory(prefix="agent-stream-") as folder:
        async with running(Options(stack=stack, folder=Path(folder))) as chain:
            console.print(f"Up after {time.monotonic() - began:.1f} s. Signing {chain.outputs['demoUsername']} in ...")
            try:
                await _compare(console, chain)
            except ClientError as error:
                raise ProgramError(str(error)) from None


async def _compare(console: Console, chain: Chain) -> None:
    outputs = Outputs.model_validate(chain.outputs)
    if not (outputs.demo_username and outputs.demo_password):
        raise ProgramError("The chain is up without a demo user.")
    password = outputs.demo_password.get_secret_value()
    tokens = await asyncio.to_thread(sign_in, outputs, outputs.demo_username, password)

    console.print("\n[bold]As declared: responseTransferMode STREAM[/bold]")
    streamed = await _listen(console, outputs.invoke_url, tokens.id)

    console.print("\n[bold]The same graph with the integration set to BUFFERED[/bold]")
    base = await chain.start_gateway("buffered-gateway", buffered(chain.graph))
    held_back = await _listen(console, base + outputs.invoke_url.removeprefix(chain.url("gateway")), tokens.id)

    console.print()
    console.print(_table(streamed, held_back))


def buffered(graph: Graph) -> Graph:
    """The graph as it would be without the third mechanism: every integration BUFFERED, at the default timeout."""
    for integration in graph.all("aws:apigateway/integration:Integration"):
        graph = graph.with_inputs(integration.urn, responseTransferMode="BUFFERED", timeoutMilliseconds=29_000)
    return graph


async def _listen(console: Console, url: str, id_token: str) -> Measured:
    times: list[float] = []
    async for arrival in ask(url, id_token, PROMPT):
        if arrival.text:
            console.print(arrival.text, end="", markup=False, soft_wrap=True)
            times.append(arrival.seconds)
    console.print()
    pieces = 1 + sum(after - before > SAME_ARRIVAL_SECONDS for before, after in pairwise(times))
    return Measured(times[0], times[-1], pieces)


def _table(streamed: Measured, held_back: Measured) -> Table:
    table = Table("", "first word after", "last word after", "separate arrivals")
    for name, measured in (("STREAM", streamed), ("BUFFERED", held_back)):
        table.add_row(name, f"{measured.first_word:.2f} s", f"{measured.last_word:.2f} s", str(measured.arrivals))
    return table
