"""What ``up`` prints when the chain is up, and what ``status`` prints."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from infra.built_page import NOT_BUILT
from local import ROOT
from local.processes.ports import DEFAULT_PORTS
from local.run.options import Options

if TYPE_CHECKING:  # four commands of five start no chain
    from local.run.chain import Chain

FOLDER = ROOT / ".local"


def print_ready(chain: Chain, options: Options) -> None:
    """Print where the chain is, how to use it, and which options are in force."""
    outputs, folder = chain.outputs, options.folder
    elsewhere = folder != FOLDER
    client = f" --outputs {shlex.quote(str(folder / 'outputs.json'))}" if elsewhere else ""
    local = f" --folder {shlex.quote(str(folder))}" if elsewhere else ""
    print(f"The {chain.graph.stack} stack is up on loopback.", flush=True)
    print(f"  page        {outputs.get('websiteUrl', NOT_BUILT)}")
    print(f"  POST        {outputs['invokeUrl']}")
    print(f"  sign in as  {outputs['demoUsername']}  (password in {folder / 'outputs.json'})")
    print(f'  ask         .venv/bin/python -m client ask{client} "What is streaming?"')
    print(f"  in force    {describe_options(options.in_force, indent=14)}")
    print(f"  stop        Ctrl-C, or .venv/bin/python -m local down{local}", flush=True)


def state_of(chain: Chain) -> dict[str, Any]:
    """The same as JSON, for ``status --json``."""
    return {
        "state": "up",
        "pid": os.getpid(),
        "stack": chain.options.stack,
        "ports": chain.services.ports,
        "processes": chain.services.processes,
        "options": chain.options.in_force,
        "outputs": str(chain.folder / "outputs.json"),
    }


def describe_options(options: Mapping[str, str], *, indent: int = 0) -> str:
    """One line for each option, with its meaning."""
    meanings = {
        "--agent": "in place of agent/agent.py",
        "--break": "broken on purpose",
        "--time-scale": "of AWS's time limits",
        "--sessions": "agents, one a session",
        "--hang-up": "the agent is not notified" if options.get("--hang-up") == "lost" else "the agent is notified",
    }
    lines = (f"{name} {value} ({meanings[name]})" for name, value in options.items())
    return f"\n{' ' * indent}".join(lines)


def print_state(state: Mapping[str, Any]) -> None:
    """Print what `local.processes.folder_lock.read_state` returned."""
    if state["state"] == "down":
        print("The local chain is down: `python -m local up` brings it up.")
    elif state["state"] == "starting":
        print(f"The local chain is starting (process {state['pid']}).")
    else:
        print(f"The {state['stack']} stack is up on loopback (process {state['pid']}).")
        for name in DEFAULT_PORTS:
            print(f"  {name:<9} 127.0.0.1:{state['ports'][name]}")
        print(f"  in force  {describe_options(state.get('options', {}), indent=12)}")
        print("Not emulated here, though declared:")
        for line in state["notEmulated"]:
            print(f"  {line}")
