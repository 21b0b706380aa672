"""Ctrl-C on a command's event loop, which may arrive between any two instructions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from local import ROOT

BEGIN = """
import asyncio, os, signal, sys
from client.commands import loop

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

async def main():
    reached = asyncio.get_running_loop().create_future()
"""
END = """
try:
    loop.run(main())
except KeyboardInterrupt:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    sys.exit(130)
"""
IN_A_CALLBACK = """
    def callback():  # what asyncio.Event.set does
        if not reached.done():
            interrupt()
            reached.set_result(None)
    asyncio.get_running_loop().call_soon(callback)
    await reached
    await asyncio.Event().wait()
"""
TWICE_IN_A_BLOCKED_LOOP = """
    interrupt()
    while True:
        interrupt()
"""


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(IN_A_CALLBACK, id="in a callback that sets what is awaited"),
        pytest.param(TWICE_IN_A_BLOCKED_LOOP, id="twice in a blocked loop"),
    ],
)
def test_ctrl_c_ends_a_command_and_prints_nothing(body: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BEGIN + body + END], check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (130, "")
