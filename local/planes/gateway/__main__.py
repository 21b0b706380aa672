"""``python -m local.planes.gateway --graph FILE --port N --address HOST=URL ...``: serve the declared API."""

from __future__ import annotations

import argparse
from pathlib import Path

from local.planes.addresses import AddressBook
from local.planes.gateway.api import api_from_graph
from local.planes.gateway.app import create_app
from local.planes.serving import serve
from local.planes.traces import TraceFile
from local.program.graph import Graph, ProgramError


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.planes.gateway")
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--address", action="append", default=[])
    parser.add_argument("--access-log", type=Path)
    parser.add_argument("--traces", type=Path, help="the file for the gateway's own spans")
    parser.add_argument("--page", nargs=2, type=Path, metavar=("FOLDER", "CONFIG"), help="the built page to serve")
    arguments = parser.parse_args()
    graph = Graph.from_json(arguments.graph.read_text(encoding="utf-8"))
    addresses = AddressBook.parse(arguments.address)
    try:
        api = api_from_graph(graph)
    except ProgramError as error:
        raise SystemExit(str(error)) from None
    app = create_app(
        api, addresses, access_log=arguments.access_log, page=arguments.page, traces=TraceFile(arguments.traces)
    )
    serve(app, arguments.port, time_scale=graph.time_scale)


if __name__ == "__main__":
    main()
