"""``python -m local.processes.preload MODULE [LATER ...]``: imports a module, and runs it when told to.

LATER are modules that MODULE itself imports only once it serves.

Standard input is a socket: a byte goes out when the imports are done, and a byte that comes in lets the module run.
So a program whose imports fail is known before the one that it shall replace is stopped.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys

from local.processes.traced import ENDPOINT, export_spans


def main(module: str, *later: str) -> None:
    """Import, wait and run; traced where the environment names a receiver."""
    if endpoint := os.environ.get(ENDPOINT):
        export_spans(endpoint)
    for each in later:
        importlib.import_module(each)
    runpy.run_module(module)  # not as `__main__`: what it imports is loaded from now on, and nothing is served
    os.write(0, b".")
    if os.read(0, 1):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
