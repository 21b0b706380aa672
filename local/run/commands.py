"""Run the whole chain on loopback: start, stop, show and check it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.built_page import built_page
from local import ROOT
from local.planes.runtime import HangUp
from local.processes.child import ChildEndedError
from local.processes.folder_lock import read_state, stop_holder
from local.processes.logs import FILES, Logs
from local.program.graph import ProgramError
from local.run.banner import FOLDER, print_state
from local.run.misconfigurations import AS_DECLARED, MISCONFIGURATIONS, Misconfiguration, listing
from local.run.options import Options

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Stack = Annotated[str, typer.Option(help="The stack, as in Pulumi.<stack>.yaml.")]
Folder = Annotated[Path, typer.Option(help="The folder of outputs, graphs and logs.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Use this port or fail; chosen when left out.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _version(requested: bool) -> None:
    """Print the version, which is the first heading of the changelog."""
    if requested:
        headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
        print(f"agent-stream {headings[0].lower()}, Python {sys.version.split()[0]}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run the whole chain on loopback: start, stop, show and check it."""


@app.command()
def up(  # noqa: PLR0917 - typer reads options from the signature; no code calls this
    stack: Stack = "dev",
    gateway_port: Port = None,
    runtime_port: Port = None,
    agent_port: Port = None,
    emulator_port: Port = None,
    agent: Annotated[
        str,
        typer.Option(envvar="AGENT_MODULE", help="The module with build_agent, such as examples.generator."),
    ] = "agent.agent",
    model: Annotated[str, typer.Option(help="scripted, ollama:NAME, openai:MODEL or bedrock:MODEL_ID.")] = "scripted",
    time_scale: Annotated[float, typer.Option(min=1, help="Divide AWS's time limits by this.")] = 1.0,
    sessions: Annotated[
        int, typer.Option(min=0, help="Give each session its own agent process, at most so many; 0: one for all.")
    ] = 0,
    hang_up: Annotated[
        HangUp, typer.Option(help="Whether the agent learns that a caller has hung up: lost is as reported of AWS.")
    ] = "lost",
    break_: Annotated[
        str | None, typer.Option("--break", help="Break the chain on purpose; `faults` lists how.")
    ] = None,
    watch: Annotated[bool, typer.Option(help="Restart what a saved file affects.")] = False,
    folder: Folder = FOLDER,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON when it is up, and after each restart.")
    ] = False,
) -> None:
    """Bring the chain up and keep it up until Ctrl-C."""
    requested = {"gateway": gateway_port, "runtime": runtime_port, "agent": agent_port, "emulator": emulator_port}
    options = Options(
        stack=stack,
        folder=folder,
        ports={name: port for name, port in requested.items() if port is not None},
        agent=agent,
        model=model,
        time_scale=time_scale,
        sessions=sessions,
        hang_up=hang_up,
        broken=_broken(break_) if break_ else AS_DECLARED,
        control=built_page() is not None,
    )
    from local.run.up import up as bring_up  # noqa: PLC0415 - needed by nothing else

    _run(bring_up(options, watching=watch, as_json=as_json))


def _broken(name: str) -> Misconfiguration:
    if name not in MISCONFIGURATIONS:
        raise ProgramError(f"There is no fault {name!r}: known are {', '.join(MISCONFIGURATIONS)}.")
    return MISCONFIGURATIONS[name]


@app.command()
def faults(as_json: Json = False) -> None:
    """List the ways to break the chain on purpose."""
    if as_json:
        print(json.dumps(listing(), indent=2))
        return
    for one in MISCONFIGURATIONS.values():
        print(f"{one.name:<24} {one.description}")


@app.command()
def logs(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"{', '.join(FILES)}; all but emulator when left out.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the logs until Ctrl-C.")] = False,
    folder: Folder = FOLDER,
    as_json: Json = False,
) -> None:
    """Print the logs of the chain that is up, or was last."""
    unknown = [name for name in names or () if name not in FILES]
    if unknown:
        raise ProgramError(f"There is no log {unknown[0]!r}: known are {', '.join(FILES)}.")
    reading = Logs(folder, names or [name for name in FILES if name != "emulator"])
    several = names is None or len(names) > 1
    for line in reading.follow() if follow else reading.new():
        if as_json:
            print(json.dumps({"log": line.log, "line": _parsed(line.text)}), flush=True)
        else:
            print(f"{line.log}: {line.text}" if several else line.text, flush=True)


def _parsed(text: str) -> object:
    """The parsed line when it is JSON, otherwise its text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@app.command()
def demo(stack: Stack = "dev", as_json: Json = False) -> None:
    """Stream one answer through the whole chain, then the same answer buffered, and compare."""
    from local.run.demo import show  # noqa: PLC0415 - the client's imports are needed by nothing else here

    _run(show(stack, as_json=as_json))


@app.command()
def graph(
    stack: Stack = "dev",
    only: Annotated[
        list[str] | None, typer.Option("--type", help="Types with this word in them; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the resources of a stack, in the order in which a request meets them; secrets are hidden."""
    from local.program.graph_table import print_graph  # noqa: PLC0415 - needed by nothing else here

    print_graph(stack, as_json, only or ())


@app.command()
def check(stack: Stack = "dev", as_json: Json = False) -> None:
    """Check a stack's settings, guard rails, cost and the agent's package, without Pulumi or AWS; 1 if one fails."""
    from local.program.check import check as check_stack  # noqa: PLC0415 - needed by nothing else

    results = list(check_stack(stack))
    if as_json:
        print(json.dumps([dataclasses.asdict(result) for result in results], indent=2))
    else:
        for result in results:
            print(f"{'fails' if result.problems else 'ok':<6} {result.name:<12} {result.seen}".rstrip())
            for problem in result.problems:
                print(f"       {problem}")
    if any(result.problems for result in results):
        raise typer.Exit(1)


@app.command()
def cost(
    stack: Stack = "dev",
    turns: Annotated[int, typer.Option(min=1, help="Questions in a conversation.")] = 6,
    answer_seconds: Annotated[float, typer.Option(min=0, help="How long an answer streams.")] = 8,
    output_tokens: Annotated[int, typer.Option(min=1, help="Of an answer.")] = 350,
    memory_gb: Annotated[float, typer.Option(min=0.1, help="Of a microVM.")] = 0.5,
    as_json: Json = False,
) -> None:
    """Estimate what a stack costs, from what it declares and what a conversation takes."""
    from local.program.cost import Usage  # noqa: PLC0415 - needed by nothing else
    from local.program.cost_table import print_cost  # noqa: PLC0415 - as above

    usage = Usage(turns=turns, answer_seconds=answer_seconds, output_tokens=output_tokens, memory_gb=memory_gb)
    print_cost(stack, usage, as_json=as_json)


@app.command()
def status(folder: Folder = FOLDER, as_json: Json = False) -> None:
    """Say whether the chain is up, and where; exit code 1 when it is not."""
    state = read_state(folder) or {"state": "down"}
    if as_json:
        print(json.dumps(state, indent=2))
    else:
        print_state(state)
    if state["state"] != "up":
        raise typer.Exit(1)


@app.command()
def down(folder: Folder = FOLDER, as_json: Json = False) -> None:
    """Stop a chain that is up or starting, and wait until it is gone."""
    stopped = stop_holder(folder)
    if as_json:
        print(json.dumps({"stopped": stopped}))
        return
    print("The local chain is down." if stopped else "The local chain is down already.")


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run until done or until a signal; after a signal, exit with 128 and its number, as a shell does."""
    stopped_by = asyncio.run(_until_signal(work))
    if stopped_by is not None:
        print("Stopped.", file=sys.stderr)
        raise typer.Exit(128 + stopped_by)


async def _until_signal(work: Coroutine[Any, Any, None]) -> int | None:
    """Await the work; return the first signal that cancelled it, once its clean-up is done, or None."""
    task = asyncio.create_task(work)
    received: list[int] = []

    def stop(number: int) -> None:
        if not received:  # a second cancellation would interrupt the clean-up
            task.cancel()
        received.append(number)
        print("\nStopping ...", file=sys.stderr, flush=True)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        return received[0]
    return None


def main() -> None:
    """Run a command. A user's mistake is one sentence and exit code 2, a service that ended one sentence and 1."""
    if Path.cwd() != ROOT:
        sys.exit(f"Run this from {ROOT}, the project's root.")
    try:
        app(prog_name="python -m local")
    except ChildEndedError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except ProgramError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"{error.filename or 'The local run'} cannot be used: {error.strerror or error}.", file=sys.stderr)
        sys.exit(2)
