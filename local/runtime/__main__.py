"""``python -m local.runtime --graph FILE --port N --agent URL --address HOST=URL ...``: AgentCore on loopback."""

from __future__ import annotations

import argparse
from pathlib import Path

from local.graph import Graph
from local.network import AddressBook
from local.runtime.app import create_app
from local.runtime.config import runtime_from_graph
from local.serving import serve


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.runtime")
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--address", action="append", default=[])
    arguments = parser.parse_args()
    graph = Graph.from_json(arguments.graph.read_text(encoding="utf-8"))
    addresses = AddressBook.parse(arguments.address)
    serve(create_app(runtime_from_graph(graph), addresses, arguments.agent), arguments.port)


if __name__ == "__main__":
    main()
