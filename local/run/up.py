"""``python -m local up``: the chain from its start to its end, and what is said meanwhile."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from local.planes.limits import not_emulated
from local.processes.files import clean
from local.processes.folder_lock import FolderLock
from local.processes.logs import POLL_SECONDS, Logs, news
from local.program.graph import ProgramError
from local.run.banner import print_ready, state_of
from local.run.chain import Chain, running
from local.run.options import Options
from package.imports import missing_imports, refusal


async def up(options: Options, *, watching: bool, as_json: bool) -> None:
    """Bring the chain up, say so, and keep it up until cancelled.

    Raises:
        ProgramError: with a sentence about what is at fault.
        ChildEndedError: with a sentence about the service that died.
    """
    if missing := missing_imports():
        raise ProgramError(refusal(missing))
    with FolderLock.acquire(options.folder) as lock:
        clean(options.folder)  # what a killed chain left behind
        async with running(options, _progress) as chain:

            def describe() -> None:
                state = {**state_of(chain), "notEmulated": not_emulated(chain.graph)}
                lock.describe(state)
                if as_json:
                    print(json.dumps(state), flush=True)

            describe()
            if not as_json:
                print_ready(chain, options)
            if watching:
                from local.run.watch import watch  # noqa: PLC0415 - needed by nothing else

                work: Coroutine[Any, Any, object] = watch(chain, describe, _progress if as_json else _say)
            else:
                work = asyncio.Event().wait()
            telling = asyncio.create_task(_tell(options.folder))
            async with _switches(chain, options, describe):
                with suppress(asyncio.CancelledError):  # a signal is how it is meant to end
                    await chain.services.while_up(work)
            telling.cancel()
    print("Stopped.", file=sys.stderr)


def _switches(chain: Chain, options: Options, restarted: Callable[[], None]) -> AbstractAsyncContextManager[None]:
    if not options.control:
        return nullcontext()
    from local.run.control import Control  # noqa: PLC0415 - needed by nothing else

    return Control(chain, restarted).serving()


def _say(what: str) -> None:
    print(what, flush=True)


def _progress(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


async def _tell(folder: Path) -> None:
    """Print what is news in the agent's log, for as long as the chain is up."""
    logs = Logs(folder, ["agent"])
    while True:
        for line in logs.new():
            if told := news(line):
                print(told, file=sys.stderr, flush=True)
        await asyncio.sleep(POLL_SECONDS)
