"""A synchronous wait on the event loop stalls every stream; in development it is found and named."""

from __future__ import annotations

import asyncio
import gc
import inspect
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from strands import Agent, tool

from tests.agent.support import Serve, Server

pytestmark = pytest.mark.anyio


async def sleeps(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    yield "word"
    time.sleep(0.01)  # noqa: ASYNC251 - the mistake to be found
    yield "word"


async def requests_a_page(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    yield "word"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        requests.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.1)  # noqa: ASYNC210 - as above


def line_of(function: Any, text: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


# The socket that requests had opened when it was interrupted is nobody's to close.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("agent", "mistake", "call", "instead"),
    [
        (sleeps, "time.sleep", "time.sleep", "asyncio.sleep"),
        (requests_a_page, "requests.get", "socket.socket.connect", "httpx.AsyncClient"),
    ],
)
async def test_a_blocking_call_is_named_by_file_and_line_with_what_to_use(
    serve: Serve, agent: Any, mistake: str, call: str, instead: str
) -> None:
    server = serve(agent, detect_blocking=True)
    reply = await server.ask("Hi")
    assert reply.code == "INTERNAL"
    line = server.log(call)
    assert Path(line["file"]) == Path(__file__)
    assert line["line"] == line_of(agent, mistake)
    assert instead in line["instead"]
    assert f"{__file__}:{line['line']}" in line["message"]
    gc.collect()


async def test_a_blocking_call_in_an_asynchronous_tool_is_named_too(serve: Serve) -> None:
    @tool
    async def nap() -> str:
        """Nap."""
        time.sleep(0.01)  # noqa: ASYNC251 - the mistake to be found
        return "rested"

    def build(run: Any, model: Any, history: Any) -> Agent:
        return Agent(model=model, tools=[nap], callback_handler=None)

    server = serve(build, detect_blocking=True)
    assert (await server.ask("[words=1 pause=0 tool=nap]")).code == "TOOL_FAILED"
    assert Path(server.log("time.sleep")["file"]) == Path(__file__)


async def test_a_blocking_call_in_a_synchronous_tool_runs_in_a_thread_and_is_no_mistake(serve: Serve) -> None:
    @tool
    def nap() -> str:
        """Nap."""
        time.sleep(0.01)
        return "rested"

    def build(run: Any, model: Any, history: Any) -> Agent:
        return Agent(model=model, tools=[nap], callback_handler=None)

    reply = await serve(build, detect_blocking=True).ask("[words=1 pause=0 tool=nap]")
    assert reply.types[-1] == "RUN_FINISHED"


async def test_detection_is_off_unless_asked_for(serve: Serve) -> None:
    assert (await serve(sleeps).ask("Hi")).code is None


async def test_nothing_of_our_own_blocks_the_loop(serve: Serve) -> None:
    server = serve(detect_blocking=True)
    assert (await server.ask("[words=3 pause=0 tool=current_time]")).code is None
    assert (await server.ask(b"{")).code == "INVALID_INPUT"


async def ping(client: httpx.AsyncClient) -> tuple[float, dict[str, Any]]:
    asked = time.monotonic()
    body = (await client.get("/ping")).json()
    return time.monotonic() - asked, body


async def test_ping_is_answered_at_once_while_agents_talk_and_wait(shared: Server) -> None:
    async def keep_asking() -> None:
        await shared.ask("Hi [words=60 pause=0.005]")

    async with httpx.AsyncClient(trust_env=False, base_url=shared.url) as client:
        await ping(client)
        asking = [asyncio.create_task(keep_asking()) for _ in range(5)]
        took = [(await ping(client))[0] for _ in range(20)]
        await asyncio.gather(*asking)
    assert sorted(took)[len(took) // 2] < 0.05


async def test_the_time_of_ping_moves_only_with_its_status(shared: Server) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=shared.url) as client:
        _, before = await ping(client)
        # The stamp has whole seconds, so only an answer more than one second later could tell.
        await shared.ask("Hi [words=2 pause=1.1]")
        _, after = await ping(client)
    assert before == after
    assert before["status"] == "Healthy"
