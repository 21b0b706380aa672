"""An agent without a framework, for tests that start many agent processes: such a process loads in half the time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator

from agent.request import Run


async def build_agent(run: Run) -> AsyncGenerator[str]:
    """Count to the prompt's `[words=…]`, with its `pause=…` in seconds after each word, as the scripted model does."""
    options = dict(re.findall(r"(\w+)=([\d.]+)", run.prompt))
    for number in range(int(options["words"])):
        yield f"{number} "
        await asyncio.sleep(float(options["pause"]))
