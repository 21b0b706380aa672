"""``python -m local.planes.runtime --graph FILE --port N --address HOST=URL ...``: AgentCore on loopback.

With ``--agent URL`` all sessions share the agent at that address. With ``--agents FILE`` each session gets a process of
its own; the file says how to start one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from local.planes.addresses import AddressBook
from local.planes.runtime.app import create_app
from local.planes.runtime.config import RuntimeConfig, runtime_from_graph
from local.planes.runtime.sessions import Agents, IsolatedAgents, Lifecycle, SharedAgent
from local.planes.serving import serve
from local.planes.traces import TraceFile, TraceReceiver
from local.program.graph import Graph


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.planes.runtime")
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--agent")
    how.add_argument("--agents", type=Path)
    parser.add_argument("--address", action="append", default=[])
    parser.add_argument("--traces", type=Path, help="the file for spans")
    parser.add_argument("--hang-up", choices=("lost", "passed"), default="lost")
    arguments = parser.parse_args()
    graph = Graph.from_json(arguments.graph.read_text(encoding="utf-8"))
    config = runtime_from_graph(graph)
    agents = SharedAgent(arguments.agent) if arguments.agent else _isolated(config, arguments)
    traces = TraceFile(arguments.traces)
    app = create_app(config, AddressBook.parse(arguments.address), agents, hang_up=arguments.hang_up, traces=traces)
    serve(TraceReceiver(app, traces), arguments.port, time_scale=graph.time_scale)


def _isolated(config: RuntimeConfig, arguments: argparse.Namespace) -> Agents:
    options = json.loads(arguments.agents.read_text(encoding="utf-8"))
    arguments.agents.unlink()  # with a real model, the developer's own AWS credentials are in it
    return IsolatedAgents(
        options["environment"],
        Path(options["logs"]),
        Lifecycle(config.idle_seconds, config.lifetime_seconds, config.poll_seconds),
        limit=options["limit"],
        module=options["module"],
    )


if __name__ == "__main__":
    main()
