"""``python -m local up --watch``: a saved file restarts what it affects, and nothing else."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from watchfiles import awatch

from local import ROOT
from local.chain import Chain
from local.graph import ProgramError


def affected(paths: set[Path]) -> str | None:
    """What changed files ask for: ``graph``, ``agent``, or None.

    The package's name in the graph is a digest of the agent's sources, so a changed agent changes the graph too; for
    the local run that is of no interest, and only the agent is restarted.
    """
    parts = {path.relative_to(ROOT).parts for path in paths if path.suffix in (".py", ".yaml", ".txt")}
    if any(part[0] in ("infra", "__main__.py") or part[0].startswith("Pulumi.") for part in parts):
        return "graph"
    return "agent" if any(part[0] == "agent" for part in parts) else None


async def watch(chain: Chain, restarted: Callable[[], None]) -> None:
    """Restart what changes, until cancelled; a program that cannot be evaluated leaves the old one up.

    Args:
        chain: what is up.
        restarted: called after each restart: process ids have changed.
    """
    changed: asyncio.Queue[set[Path]] = asyncio.Queue()

    async def collect(*folders: Path, recursive: bool) -> None:
        async for changes in awatch(*folders, recursive=recursive):
            changed.put_nowait({Path(path) for _, path in changes})

    await chain.stand_by()
    async with asyncio.TaskGroup() as group:
        group.create_task(collect(ROOT / "infra", ROOT / "agent", recursive=True))
        # The folder and not its files: an editor that saves puts a new file in the old one's place.
        group.create_task(collect(ROOT, recursive=False))
        while True:
            await _restart(chain, affected(await changed.get()))
            restarted()


async def _restart(chain: Chain, what: str | None) -> None:
    if what is None:
        return
    began = time.monotonic()
    try:
        await (chain.restart_graph() if what == "graph" else chain.restart_agent())
    except ProgramError as error:
        print(f"{error} What was up stays up.", file=sys.stderr, flush=True)
    else:
        print(f"Restarted the {what} in {time.monotonic() - began:.1f} s.", flush=True)
