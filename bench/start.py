"""A cold start: the time of a new process to its first ``/ping``, and to the first event of its first answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import aiohttp

from bench.figures import Figure, Rounds
from bench.servers import argv
from local import LOOPBACK, ROOT
from local.processes.child import Child, bare_environment
from local.processes.ports import any_port

PING_GOAL = 1 / 0.6
"""The first /ping takes at most 0.6 of the time of the libraries' imports alone."""

EVENT_GOAL = 0.9
"""As fast as the SDK's own entry point, within a tenth: both load the same libraries."""

IMPORTS = "import strands, bedrock_agentcore.runtime, uvicorn"
QUESTION = {"prompt": "Go [words=1 pause=0]"}


def started_in(code: str) -> float:
    """Seconds that Python takes to run some code and end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - our own code
    return time.perf_counter() - began


async def started(name: str, command: list[str], port: int, folder: Path) -> tuple[float, float]:
    """Seconds from the start of a process to its first /ping, and to the first event of an immediate request."""
    environment = {
        **bare_environment(),
        "AGENT_MODEL": "scripted",
        "AGENT_PORT": str(port),
        "AGENT_REQUIRE_USER": "false",
        "AGENT_SESSION_FROM": "header",
    }
    began = time.perf_counter()
    child = await Child.start(name, command, log=folder / f"{name}.log", cwd=ROOT, environment=environment)
    try:
        await child.healthy(port, "/ping")
        pinged = time.perf_counter() - began
        async with aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    async with session.post(f"http://{LOOPBACK}:{port}/invocations", json=QUESTION) as answer:
                        await answer.content.readany()
                        return pinged, time.perf_counter() - began
                await asyncio.sleep(0.005)
    finally:
        await child.stop()


async def figures(folder: Path, rounds: Rounds) -> list[Figure]:
    """Figures of our process beside bare imports, and beside the SDK's own entry point."""
    pings, events, imports, theirs = [], [], [], []
    for _ in rounds("cold starts"):
        port = any_port()
        pinged, answered = await started("cold", [sys.executable, "-m", "agent"], port, folder)
        pings.append(pinged)
        events.append(answered)
        imports.append(started_in(IMPORTS))
        port = any_port()
        theirs.append((await started("cold-yield", argv("yield", port), port, folder))[1])
    return [
        Figure("start to first /ping", "s", "importing Strands and the SDK", pings, imports, goal=PING_GOAL),
        Figure("start to the first event", "s", "the SDK's yield", events, theirs, goal=EVENT_GOAL),
    ]
