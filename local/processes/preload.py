"""``python -m local.processes.preload MODULE [LATER ...]``: imports a module, and runs it when told to.

LATER are modules that MODULE imports only once it serves.

Standard input is a socket: this process writes a byte when the imports are done, and runs MODULE when it reads a byte.
So a failing import is noticed while the process that is to be replaced still serves.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys

from local.processes.traced import ENDPOINT, export_spans


def main(module: str, *later: str) -> None:
    """Import, wait and run; traced where the environment names an OTLP endpoint."""
    if endpoint := os.environ.get(ENDPOINT):
        export_spans(endpoint)
    for each in later:
        importlib.import_module(each)
    runpy.run_module(module)  # not as `__main__`: this imports its modules and serves nothing
    os.write(0, b".")
    if os.read(0, 1):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
