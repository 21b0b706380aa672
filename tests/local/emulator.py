"""An emulated AWS of a test's own, as the local run starts it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.processes.services import Services
from local.run.plan import emulator


@contextmanager
def emulated(folder: Path) -> Iterator[str]:
    """Start one whose log is in `folder`; its address."""
    with asyncio.Runner() as runner:
        services = Services(folder)
        try:
            runner.run(services.start(emulator(services.ports["emulator"])))
            yield services.url("emulator")
        finally:
            runner.run(services.end_all())
