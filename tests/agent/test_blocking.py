"""A synchronous wait on the event loop stalls every stream; in development it is found and named."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import inspect
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from time import sleep
from typing import Any

import boto3
import httpx
import pytest
import requests
from strands import Agent, tool

from tests import loopback
from tests.agent.support import Serve, Server

pytestmark = pytest.mark.anyio


async def sleeps(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    yield "word"
    time.sleep(0.01)  # noqa: ASYNC251 - the mistake to be found
    yield "word"


async def sleeps_by_a_name_of_its_own(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    yield "word"
    sleep(0.01)  # noqa: ASYNC251 - as above
    yield "word"


async def requests_a_page(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    yield "word"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        requests.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.1)  # noqa: ASYNC210 - as above


async def lists_buckets(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret")
    s3 = await asyncio.to_thread(session.client, "s3", region_name="eu-west-1", endpoint_url="http://127.0.0.1:9")
    yield str(s3.list_buckets())


async def runs_a_program(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    yield str(subprocess.run(["true"], stdout=subprocess.PIPE))  # noqa: ASYNC221, PLW1510


async def waits_for_a_thread(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(threading.Event().wait, 0.05)
        yield str(future.result())


async def joins_a_thread(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    thread = threading.Thread(target=threading.Event().wait, args=(0.05,))
    thread.start()
    thread.join()
    yield "word"


async def joins_a_thread_that_has_ended(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    thread.join(timeout=0)
    ended.set()
    await asyncio.to_thread(thread.join)
    thread.join()
    yield "word"


async def waits_for_a_queue(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    yield Queue[str]().get(timeout=0.05)


async def calls_an_agent(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    noticed = threading.Event()  # else the answer might be there before it is waited for
    try:
        yield str(Agent(model=model, callback_handler=lambda **_: noticed.wait(1))("Hi [words=1 pause=0]"))
    finally:
        noticed.set()


async def apologises(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
    try:
        time.sleep(0.01)  # noqa: ASYNC251 - the mistake to be found
    except Exception:  # noqa: BLE001 - the agent goes on without what it asked for
        yield "sorry"


async def test_a_blocking_call_whose_error_the_agent_catches_is_named_all_the_same(serve: Serve) -> None:
    server = serve(apologises, detect_blocking=True)
    assert (await server.ask("Hi")).text == "sorry"
    assert server.log("time.sleep")["line"] == line_of(apologises, "time.sleep")


async def test_detection_that_is_wanted_but_not_installed_is_told(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "blockbuster" else find(name))
    server = serve(sleeps, detect_blocking=True)
    assert (await server.ask("Hi")).code is None
    assert "pip install blockbuster" in server.log("AGENT_DETECT_BLOCKING")["message"]


async def test_a_join_that_does_not_wait_is_no_blocking_call(serve: Serve) -> None:
    assert (await serve(joins_a_thread_that_has_ended, detect_blocking=True).ask("Hi")).text == "word"


async def test_with_detection_ten_agents_at_once_raise_no_false_alarm(serve: Serve) -> None:
    server = serve(detect_blocking=True)
    replies = await asyncio.gather(*[server.ask("[words=3 pause=0 tool=current_time]") for _ in range(10)])
    assert {reply.code for reply in replies} == {None}
    assert {server.log("")["message"] for _ in replies} == {"run"}


def line_of(function: Any, text: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


# The socket that requests had opened when it was interrupted is nobody's to close.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("agent", "mistake", "call", "instead"),
    [
        (sleeps, "time.sleep", "time.sleep", "asyncio.sleep"),
        (sleeps_by_a_name_of_its_own, "sleep(0", "time.sleep", "asyncio.sleep"),
        (requests_a_page, "requests.get", "socket.socket.connect", "httpx.AsyncClient"),
        (lists_buckets, "list_buckets", "socket.socket.connect", "asyncio.to_thread"),
        (runs_a_program, "subprocess.run", "subprocess.Popen.communicate", "create_subprocess_exec"),
        (waits_for_a_thread, "result()", "lock.acquire", "asyncio.to_thread"),
        (joins_a_thread, "join()", "threading.Thread.join", "asyncio.to_thread"),
        (waits_for_a_queue, ".get(", "lock.acquire", "asyncio.to_thread"),
        (calls_an_agent, "str(Agent", "lock.acquire", "asynchronous form"),
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

    server = serve(build, detect_blocking=True, tool_errors="run")
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

    async with loopback.AsyncClient(base_url=shared.url) as client:
        await ping(client)
        asking = [asyncio.create_task(keep_asking()) for _ in range(5)]
        took = [(await ping(client))[0] for _ in range(20)]
        await asyncio.gather(*asking)
    assert sorted(took)[len(took) // 2] < 0.05


async def test_the_time_of_ping_moves_only_with_its_status(shared: Server) -> None:
    async with loopback.AsyncClient(base_url=shared.url) as client:
        _, before = await ping(client)
        # The stamp has whole seconds, so only an answer more than one second later could tell.
        await shared.ask("Hi [words=2 pause=1.1]")
        _, after = await ping(client)
    assert before == after
    assert before["status"] == "Healthy"
