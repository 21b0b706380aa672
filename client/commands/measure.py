"""``timeline`` and ``bench``."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from client.bench import PERCENTILES, Measured, bench
from client.commands import loop
from client.commands.notices import print_cut
from client.commands.target import AsJson, File, Local, Stack, account_of, command, find_outputs
from client.connection import connect
from client.conversation import Conversation
from client.errors import BenchmarkError, UsageError
from client.outputs import Outputs, read_outputs, stack_outputs
from client.picture import check_writable, renderer, write_png, write_svg
from client.recording import Limits, Recording
from client.retry import Policy
from client.terminal import Console
from client.timeline import Lane, draw, held_back, lane_of

PROMPT = "Why do words that stream feel faster?"
BUFFERED = "buffered"

Prompt = Annotated[str, typer.Argument(help="The question.")]


@command
def timeline(  # noqa: PLR0917 - typer passes every one by name
    prompt: Prompt = PROMPT,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    compare: Annotated[
        str | None,
        typer.Option(help="Also draw: a file of outputs, a stack's name, or `buffered` (computed)."),
    ] = None,
    name: Annotated[list[str] | None, typer.Option(help="The label of each answer in the picture, in order.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the picture to this file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write the picture to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a question, and draw when each word arrived."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    # Check the options first: an answer may take minutes.
    other = None if compare in (None, BUFFERED) else _other(compare)
    for path in (svg, png):
        if path is not None:
            check_writable(path)
    if png is not None:
        renderer()
    lanes = loop.run(_lanes(outputs, prompt, other, buffered=compare == BUFFERED))
    for number, given in enumerate((name or [])[: len(lanes)]):
        lanes[number] = dataclasses.replace(lanes[number], name=given)
    if svg is not None:
        write_svg(svg, lanes, prompt)
    if png is not None:
        write_png(png, lanes, prompt)
    if as_json:
        print(json.dumps([lane.facts() for lane in lanes]))
        return
    console = Console(highlight=False)
    console.print(draw(lanes, console.width))


@command
def bench_command(
    prompt: Prompt = PROMPT,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    users: Annotated[int, typer.Option(min=1, max=500, help="The number of concurrent questions.")] = 5,
    requests: Annotated[int, typer.Option(min=1, max=100_000, help="The total number of questions.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Ask many questions concurrently, as one user: percentiles of first word, gaps and total time."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=as_json or not console.is_terminal) as progress:
        task = progress.add_task(f"{users} at once", total=requests)
        measured = loop.run(
            _bench(outputs, prompt, users, requests, advance=lambda: progress.advance(task)),
        )
    if as_json:
        print(json.dumps(_report(measured)))
    else:
        Console(highlight=False).print(_table(measured))
    if measured.failures:
        what, count = measured.failures.most_common(1)[0]
        raise BenchmarkError(f"{measured.failures.total()} questions were not answered; {count} times: {what}.")


async def _lanes(outputs: Outputs, prompt: str, other: Outputs | None, *, buffered: bool) -> list[Lane]:
    if other is not None:
        await account_of(other).id_token()  # fail now, not after the first answer, if the other needs a sign-in
    lane, recording = await _measure(outputs, prompt)
    if buffered:
        return [lane, held_back(lane, recording)]
    return [lane] if other is None else [lane, (await _measure(other, prompt))[0]]


async def _measure(outputs: Outputs, prompt: str) -> tuple[Lane, Recording]:
    conversation = Conversation(outputs, account_of(outputs), notice=print_cut)
    async with conversation, conversation.stopped_if_interrupted():
        recording = await conversation.record(prompt)
    return lane_of(outputs.source, recording, Limits.of(outputs)), recording


def _other(compare: str) -> Outputs:
    path = Path(compare)
    if path.suffix == ".json" or path.is_file():
        return read_outputs(path)
    # https://www.pulumi.com/docs/iac/concepts/stacks/#stack-naming; a leading dash would be read as an option.
    if re.fullmatch(r"[A-Za-z0-9._][A-Za-z0-9._/-]*", compare):
        return stack_outputs(compare)
    raise UsageError(
        f"--compare {compare} is neither a file of outputs, nor a stack's name, nor `buffered`: pass one of them."
    )


async def _bench(outputs: Outputs, prompt: str, users: int, requests: int, *, advance: Callable[[], None]) -> Measured:
    account = account_of(outputs)
    async with connect(outputs, most=users) as http:
        return await bench(
            http,
            outputs.invoke_url,
            account.id_token,
            prompt,
            users=users,
            requests=requests,
            policy=Policy(attempts=8),
            name_session=outputs.sends_session,
            advance=advance,
        )


def _report(measured: Measured) -> dict[str, object]:
    return {
        "answers": len(measured.totals),
        "failures": dict(measured.failures),
        "throttled": measured.throttled,
        "seconds": round(measured.lasted, 3),
        "percentiles": measured.table(),
    }


def _table(measured: Measured) -> Table:
    title = f"{len(measured.totals)} answers in {measured.lasted:.1f} s; {measured.throttled} times throttled"
    table = Table("", *(f"p{rank}" if rank < 100 else "most" for rank in PERCENTILES), title=title)
    names = {"firstWord": "first word", "gap": "between words", "total": "whole answer"}
    for name, values in measured.table().items():
        table.add_row(names[name], *(f"{value * 1000:.0f} ms" for value in values.values()))
    return table
