"""``make demo``: streams one answer through the whole chain, then the same answer buffered, and compares the times."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from client.account import demo_user
from client.delivery import pieces
from client.errors import ClientError
from client.exchange import ask
from client.outputs import Outputs
from client.recording import Mark
from contract import DEFAULT_TIMEOUT_MILLISECONDS, Kind
from local.processes.child import ChildEndedError
from local.program.graph import Graph, ProgramError
from local.run.chain import Chain, running
from local.run.options import Options

PROMPT = "Why do words that stream feel faster?"


class Lines:
    """Wraps text that arrives in pieces, without breaking a word.

    Args:
        width: of a line, in characters.
        write: called with the text to show.
    """

    def __init__(self, width: int, write: Callable[[str], None]) -> None:
        self._width = width
        self._write = write
        self._column = 0
        self._word = ""

    def add(self, text: str) -> None:
        """Show all complete words; the last one is kept until more text follows."""
        *whole, self._word = re.split(r"(\s)", self._word + text)
        for word, space in zip(whole[::2], whole[1::2], strict=True):
            self._show(word)
            self._write(space)
            self._column = 0 if space == "\n" else self._column + 1

    def end(self) -> None:
        """Show the last word and end the line."""
        self._show(self._word)
        self._write("\n")
        self._column, self._word = 0, ""

    def _show(self, word: str) -> None:
        if self._column and self._column + len(word) >= self._width:
            self._write("\n")
            self._column = 0
        self._write(word)
        self._column += len(word)


class Measured(NamedTuple):
    """The times of one answer: seconds from the question to the first and the last word, and the number of pieces."""

    first_word: float
    last_word: float
    arrivals: int

    def facts(self) -> dict[str, float]:
        """The same for JSON, in seconds."""
        return {
            "firstWordSeconds": round(self.first_word, 3),
            "lastWordSeconds": round(self.last_word, 3),
            "arrivals": self.arrivals,
        }


async def show(stack: str, *, as_json: bool = False) -> None:
    """Run the demonstration; it leaves nothing running, and files only when the error message names a log.

    With ``as_json`` the answers are not shown, and the measurements are printed as one line of JSON.

    Raises:
        ProgramError: with a message that names the cause.
        ChildEndedError: when a service of the chain ended.
    """
    console = Console(highlight=False, quiet=as_json)
    began = time.monotonic()
    console.print(f"Bringing up the {stack} stack: Cognito, API Gateway, AgentCore, agent ...")
    folder = Path(tempfile.mkdtemp(prefix="agent-stream-"))
    message = ""
    try:
        async with running(Options(stack=stack, folder=folder)) as chain:
            console.print(f"Up after {time.monotonic() - began:.1f} s. Signing {chain.outputs['demoUsername']} in ...")
            measured = await chain.services.while_up(_compare(console, chain))
    except ClientError as error:
        message = f"{error} The logs are in {folder / 'logs'}."
        raise ProgramError(message) from None
    except (ProgramError, ChildEndedError) as error:
        message = str(error)
        raise
    finally:
        if str(folder) not in message:
            shutil.rmtree(folder)
    if as_json:
        print(json.dumps({name: one.facts() for name, one in measured.items()}))


async def _compare(console: Console, chain: Chain) -> dict[str, Measured]:
    outputs = Outputs.model_validate(chain.outputs)
    tokens = await asyncio.to_thread(demo_user, outputs)

    console.print("\n[bold]As declared: responseTransferMode STREAM[/bold]")
    streamed = await _listen(console, outputs.invoke_url, tokens.id)

    console.print("\n[bold]The same graph with the integration set to BUFFERED[/bold]")
    base = await chain.start_gateway("buffered-gateway", buffered(chain.graph))
    unstreamed = await _listen(
        console, base + outputs.invoke_url.removeprefix(chain.services.url("gateway")), tokens.id
    )

    console.print()
    console.print(_table(streamed, unstreamed))
    return {"streamed": streamed, "buffered": unstreamed}


def buffered(graph: Graph) -> Graph:
    """The graph as it would be without the third mechanism: every integration BUFFERED, at the default timeout."""
    for integration in graph.all(Kind.INTEGRATION):
        graph = graph.with_inputs(
            integration.urn, responseTransferMode="BUFFERED", timeoutMilliseconds=DEFAULT_TIMEOUT_MILLISECONDS
        )
    return graph


async def _listen(console: Console, url: str, id_token: str) -> Measured:
    words: list[Mark] = []
    lines = Lines(console.width, lambda text: console.print(text, end="", markup=False, soft_wrap=True))
    try:
        async for arrival in ask(url, id_token, PROMPT):
            if arrival.text:
                lines.add(arrival.text)
                words.append(Mark(arrival.seconds, "delta", arrival.text))
    finally:
        lines.end()
    if not words:
        raise ProgramError("The agent's answer has no text, which the demonstration needs: see agent/agent.py.")
    return Measured(words[0].seconds, words[-1].seconds, pieces(words))


def _table(streamed: Measured, unstreamed: Measured) -> Table:
    table = Table("", "first word after", "last word after", "separate arrivals")
    for name, measured in (("STREAM", streamed), ("BUFFERED", unstreamed)):
        table.add_row(name, f"{measured.first_word:.2f} s", f"{measured.last_word:.2f} s", str(measured.arrivals))
    return table
