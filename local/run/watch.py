"""``python -m local up --watch``: a saved file restarts what it affects, and nothing else."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from watchfiles import awatch

from local import ROOT
from local.processes.supervisor import together
from local.program.graph import ProgramError
from local.run.chain import Chain


def affected(paths: set[Path]) -> set[str]:
    """What changed files affect: ``graph``, ``agent``, both or nothing.

    The package's name in the graph is a digest of the agent's sources, so a changed agent changes the graph too; the
    local run does not use that name, so only the agent is restarted.
    """
    parts = {path.relative_to(ROOT).parts for path in paths if path.suffix in (".py", ".yaml", ".txt")}
    program = {
        part for part in parts if part[0] in ("infra", "contract.py", "__main__.py") or part[0].startswith("Pulumi.")
    }
    agent = {part for part in parts if part[0] == "agent"}
    return {what for what, changed in (("graph", program), ("agent", agent)) if changed}


async def watch(chain: Chain, restarted: Callable[[], None], say: Callable[[str], None]) -> None:
    """Restart what changed files affect, until cancelled; if the new sources do not start, the old process stays up.

    Args:
        chain: the running chain.
        restarted: called after each restart, because process ids have changed.
        say: called with what was restarted; errors go to standard error.
    """
    changed: asyncio.Queue[set[Path]] = asyncio.Queue()

    async def collect(*folders: Path, recursive: bool) -> None:
        try:
            async for changes in awatch(*folders, recursive=recursive):
                changed.put_nowait({Path(path) for _, path in changes})
        except (OSError, RuntimeError) as error:  # such as the system's limit of watched files
            raise ProgramError(f"Files cannot be watched ({error}): run it without --watch.") from None

    await chain.warm()
    async with together() as group:
        group.create_task(collect(ROOT / "infra", ROOT / "agent", recursive=True))
        # The folder and not its files: an editor that saves puts a new file in the old one's place.
        group.create_task(collect(ROOT, recursive=False))
        while True:
            paths = await changed.get()
            while not changed.empty():  # saved while the last restart was under way: one restart serves all of them
                paths |= changed.get_nowait()
            for what in sorted(affected(paths)):
                await _restart(chain, what, say)
                restarted()


async def _restart(chain: Chain, what: str, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    try:
        names = await (chain.restart_graph() if what == "graph" else chain.restart_agent())
    except ProgramError as error:
        absent = ", ".join(chain.missing)
        end = f"{absent} will start again once that is corrected and saved." if absent else "What was up stays up."
        print(f"{error} {end}", file=sys.stderr, flush=True)
        return
    if names:
        say(f"Restarted {', '.join(names)} in {time.monotonic() - began:.1f} s.")
    elif what == "graph":
        say("The graph is unchanged: nothing was restarted.")
    else:
        say("New sessions get the changed agent; open sessions keep theirs.")
