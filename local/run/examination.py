"""The doctor's examination of a chain that is up, for the page's inspector: each result as it comes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from client.commands.doctor import diagnose
from client.doctor.check import Check, Result
from client.doctor.checks import CHECKS
from client.doctor.runner import refuse
from client.errors import OutputsError
from client.outputs import read_outputs

LAST = ("heartbeat", "ping")
"""The first mostly waits and has begun long before; the second wants the silent run of the first to be over."""

ORDER = tuple(sorted(CHECKS, key=lambda check: check.name in LAST))


async def examine(outputs: Path) -> AsyncGenerator[dict[str, Any]]:
    """What the doctor looks at, ``{"looksAt": NAME}``, and then what it found, the fields of `Result`.

    Args:
        outputs: the chain's file of outputs.

    Raises:
        ClientError: when nothing could be found out.
    """
    news: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def starting(check: Check) -> None:
        news.put_nowait({"looksAt": check.name})

    def done(result: Result) -> None:
        news.put_nowait(dataclasses.asdict(result))

    task = asyncio.create_task(_diagnose(outputs, starting, done))
    task.add_done_callback(lambda _task: news.put_nowait(None))
    try:
        while (one := await news.get()) is not None:
            yield one
        await task
    finally:
        task.cancel()  # whoever asked has left


async def _diagnose(outputs: Path, starting: Callable[[Check], None], done: Callable[[Result], None]) -> None:
    try:
        found = await asyncio.to_thread(read_outputs, outputs)
    except OutputsError as error:
        if not error.faulty:
            raise
        for result in refuse(ORDER, error):
            done(result)
    else:
        await diagnose(found, ORDER, starting=starting, done=done)
