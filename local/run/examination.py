"""Runs the doctor on a running chain for the page's inspector, and yields each result as it comes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from client.commands.doctor import diagnose
from client.doctor.check import Check, Result
from client.doctor.checks import CHECKS
from client.doctor.runner import outputs_failure
from client.errors import OutputsError
from client.outputs import read_outputs

LAST = ("heartbeat", "ping")
"""Checks to report last: `heartbeat` starts early and mostly waits; `ping` needs its silent run to be over."""

ORDER = tuple(sorted(CHECKS, key=lambda check: check.name in LAST))


async def examine(outputs: Path) -> AsyncGenerator[dict[str, Any]]:
    """Yield ``{"looksAt": NAME}`` when a check starts, and the fields of its `Result` when it is done.

    Args:
        outputs: the chain's file of outputs.

    Raises:
        ClientError: when no check can be run.
    """
    events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def starting(check: Check) -> None:
        events.put_nowait({"looksAt": check.name})

    def done(result: Result) -> None:
        events.put_nowait(dataclasses.asdict(result))

    task = asyncio.create_task(_diagnose(outputs, starting, done))
    task.add_done_callback(lambda _task: events.put_nowait(None))
    try:
        while (event := await events.get()) is not None:
            yield event
        await task
    finally:
        task.cancel()  # the caller has disconnected


async def _diagnose(outputs: Path, starting: Callable[[Check], None], done: Callable[[Result], None]) -> None:
    try:
        found = await asyncio.to_thread(read_outputs, outputs)
    except OutputsError as error:
        if not error.faulty:
            raise
        for result in outputs_failure(ORDER, error):
            done(result)
    else:
        await diagnose(found, ORDER, starting=starting, done=done)
