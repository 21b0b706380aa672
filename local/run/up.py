"""``python -m local up``: starts the chain, keeps it up, and prints its state and the agent's errors."""

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
from local.processes.logs import POLL_SECONDS, Logs, warning_or_error
from local.program.graph import ProgramError
from local.run.banner import print_ready, state_of
from local.run.chain import Chain, running
from local.run.options import Options
from package.imports import missing_imports, refusal


async def up(options: Options, *, watching: bool, as_json: bool) -> None:
    """Start the chain, print its state, and keep it up until cancelled.

    Raises:
        ProgramError: with a message that names the cause.
        ChildEndedError: when a service ended.
    """
    if missing := missing_imports():
        raise ProgramError(refusal(missing))
    with FolderLock.acquire(options.folder) as lock:
        clean(options.folder)  # a killed chain leaves them behind
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
            following = asyncio.create_task(_print_agent_errors(options.folder))
            async with _control(chain, options, describe):
                with suppress(asyncio.CancelledError):  # a signal is the normal end
                    await chain.services.while_up(work)
            following.cancel()
    print("Stopped.", file=sys.stderr)


def _control(chain: Chain, options: Options, restarted: Callable[[], None]) -> AbstractAsyncContextManager[None]:
    if not options.control:
        return nullcontext()
    from local.run.control import Control  # noqa: PLC0415 - needed by nothing else

    return Control(chain, restarted).serving()


def _say(what: str) -> None:
    print(what, flush=True)


def _progress(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


async def _print_agent_errors(folder: Path) -> None:
    """Print the warnings and errors in the agent's log, until cancelled."""
    logs = Logs(folder, ["agent"])
    while True:
        for line in logs.new():
            if message := warning_or_error(line):
                print(message, file=sys.stderr, flush=True)
        await asyncio.sleep(POLL_SECONDS)
