"""``python -m local``: the chain on loopback, up, down and shown."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from local import ROOT
from local.chain import USUAL_PORTS, Chain, Options, running
from local.faults import FAULTS, Fault
from local.graph import ProgramError
from local.limits import not_emulated
from local.state import Claim, read_state

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

FOLDER = ROOT / ".local"

Stack = Annotated[str, typer.Option(help="Whose graph to serve, as in Pulumi.<stack>.yaml.")]
Folder = Annotated[Path, typer.Option(help="Where outputs, graphs and logs go.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Use this port or fail; chosen when left out.")]


@app.command()
def up(  # noqa: PLR0917 - typer reads options off the signature; nobody calls this
    stack: Stack = "dev",
    gateway_port: Port = None,
    runtime_port: Port = None,
    agent_port: Port = None,
    emulator_port: Port = None,
    model: Annotated[str, typer.Option(help="scripted, ollama:NAME or bedrock:MODEL_ID.")] = "scripted",
    time_scale: Annotated[float, typer.Option(min=1, help="Divide AWS's time limits by this.")] = 1.0,
    sessions: Annotated[
        int, typer.Option(min=0, help="Up to so many sessions, each in an agent process of its own; 0: one for all.")
    ] = 0,
    break_: Annotated[
        str | None, typer.Option("--break", help="Break the chain on purpose; `faults` lists how.")
    ] = None,
    watch: Annotated[bool, typer.Option(help="Restart what a saved file affects.")] = False,
    folder: Folder = FOLDER,
) -> None:
    """Bring the chain up and keep it up until Ctrl-C."""
    asked = {"gateway": gateway_port, "runtime": runtime_port, "agent": agent_port, "emulator": emulator_port}
    ports = {name: port for name, port in asked.items() if port is not None}
    options = Options(
        stack=stack,
        folder=folder,
        ports=ports,
        model=model,
        time_scale=time_scale,
        sessions=sessions,
        fault=_fault(break_) if break_ else None,
    )
    _run(_up(options, watching=watch))


def _fault(name: str) -> Fault:
    if name not in FAULTS:
        print(f"There is no fault {name!r}: known are {', '.join(FAULTS)}.", file=sys.stderr)
        raise typer.Exit(2)
    return FAULTS[name]


@app.command()
def faults() -> None:
    """List the ways to break the chain on purpose."""
    for fault in FAULTS.values():
        print(f"{fault.name:<24} {fault.description}")


async def _up(options: Options, *, watching: bool) -> None:
    with Claim.take(options.folder) as claim:
        async with running(options) as chain:

            def describe() -> None:
                claim.describe(
                    {
                        "stack": options.stack,
                        "ports": chain.ports,
                        "processes": chain.processes,
                        "notEmulated": not_emulated(chain.graph),
                    }
                )

            describe()
            _print_ready(chain, options.folder)
            reason = await _first_failure(chain, describe if watching else None)
    print(reason, file=sys.stderr)
    raise typer.Exit(1)


async def _first_failure(chain: Chain, restarted: Callable[[], None] | None) -> str:
    if restarted is None:
        return await chain.first_failure()
    from local.watch import watch as watch_files  # noqa: PLC0415 - needed by nothing else

    restarting = asyncio.create_task(watch_files(chain, restarted))
    try:
        return await chain.first_failure()
    finally:
        restarting.cancel()


def _print_ready(chain: Chain, folder: Path) -> None:
    outputs = chain.outputs
    print(f"The {chain.graph.stack} stack is up on loopback.", flush=True)
    print(f"  POST        {outputs['invokeUrl']}")
    print(f"  sign in as  {outputs['demoUsername']}  (password in {folder / 'outputs.json'})")
    print('  ask         .venv/bin/python -m client ask "What is streaming?"')
    print("  stop        Ctrl-C, or .venv/bin/python -m local down", flush=True)


@app.command()
def demo(stack: Stack = "dev") -> None:
    """Stream one answer through the whole chain, then the same answer buffered, and compare."""
    from local.demo import show  # noqa: PLC0415 - the client's imports are needed by nothing else here

    _run(show(stack))


@app.command()
def graph(stack: Stack = "dev", as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Show what a stack declares; secrets are blotted out."""
    from local.graph_table import print_graph  # noqa: PLC0415 - needed by nothing else here

    try:
        print_graph(stack, as_json)
    except ProgramError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None


@app.command()
def status(folder: Folder = FOLDER) -> None:
    """Say whether the chain is up, and where; exit code 1 when it is not."""
    state = read_state(folder)
    if state is None:
        print("The local chain is down: `python -m local up` brings it up.")
        raise typer.Exit(1)
    print(f"The {state['stack']} stack is up on loopback (process {state['pid']}).")
    for name in USUAL_PORTS:
        print(f"  {name:<9} 127.0.0.1:{state['ports'][name]}")
    print("Not emulated here, though declared:")
    for line in state["notEmulated"]:
        print(f"  {line}")


@app.command()
def down(folder: Folder = FOLDER) -> None:
    """Stop a chain that is up, and wait until it is gone."""
    if read_state(folder) is None:
        print("The local chain is down already.")
        return
    Claim.stop_holder(folder)
    print("The local chain is down.")


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run until done, or until SIGINT or SIGTERM; a user's mistake ends in one sentence and exit code 2."""
    try:
        interrupted = asyncio.run(_until_signal(work))
    except ProgramError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    if interrupted:
        print("\nStopped.", file=sys.stderr)


async def _until_signal(work: Coroutine[Any, Any, None]) -> bool:
    """Do the work; True when a signal ended it first, after everything it started was stopped."""
    task = asyncio.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


if __name__ == "__main__":
    if Path.cwd() != ROOT:
        sys.exit(f"Run this from {ROOT}, the project's root.")
    app(prog_name="python -m local")
