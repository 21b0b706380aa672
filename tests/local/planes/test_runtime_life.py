"""How long an agent lives, and what it learns of a caller who has gone: AgentCore as far as it is known."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from local.planes.runtime.sessions import IsolatedAgents, Lifecycle
from local.processes.child import bare_environment
from local.program.graph import Graph
from tests import loopback
from tests.local.conftest import PATIENCE, Backend, Serve, UserPool, wait_for

SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"


class Answer:
    """A backend's answer: a first event, then the rest once it is let go on."""

    def __init__(self, rest: bytes = b"data: two\n\n") -> None:
        self.begun, self.cancelled, self.finished = threading.Event(), threading.Event(), threading.Event()
        self.go_on = threading.Event()
        self._rest = rest

    async def __call__(self, _: Request) -> Response:
        return StreamingResponse(self._chunks(), media_type="text/event-stream")

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            self.begun.set()
            yield b"data: one\n\n"
            while not self.go_on.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.01)
            yield self._rest
            self.finished.set()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def hang_up_after_the_first_event(url: str, pool: UserPool) -> None:
    headers = {"Authorization": f"Bearer {pool.id_token()}"}
    with loopback.Client() as client, client.stream("POST", url, headers=headers) as response:
        next(response.iter_raw())


def test_a_hang_up_that_is_lost_leaves_the_agent_writing(
    pool: UserPool, backend: Backend, serve_runtime: Serve
) -> None:
    answer = backend.handler = Answer(rest=b"x" * 2**20)  # more than the sockets hold: somebody must read
    hang_up_after_the_first_event(serve_runtime(), pool)
    answer.go_on.set()
    assert answer.finished.wait(PATIENCE)
    assert not answer.cancelled.is_set()


def test_a_hang_up_that_is_passed_reaches_the_agent(
    graph: Graph, pool: UserPool, backend: Backend, serve_runtime: Serve
) -> None:
    answer = backend.handler = Answer()
    hang_up_after_the_first_event(serve_runtime(graph, hang_up="passed"), pool)
    assert answer.cancelled.wait(PATIENCE)
    assert not answer.finished.is_set()


@pytest.mark.parametrize("hang_up", ["lost", "passed"])
def test_a_hang_up_before_the_answer_begins_is_the_same(
    hang_up: str, graph: Graph, pool: UserPool, backend: Backend, serve_runtime: Serve
) -> None:
    asked, go_on, outcome = threading.Event(), threading.Event(), list[str]()
    over = threading.Event()

    async def handler(request: Request) -> Response:
        asked.set()
        left = asyncio.ensure_future(_disconnected(request))
        while not go_on.is_set() and not left.done():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.01)
        outcome.append("left" if left.done() else "answered")
        left.cancel()
        over.set()
        return Response(b"data: one\n\n", media_type="text/event-stream")

    backend.handler = handler
    url = serve_runtime(graph, hang_up=hang_up)

    async def leave() -> None:
        headers = {"Authorization": f"Bearer {pool.id_token()}"}
        async with loopback.AsyncClient(timeout=PATIENCE) as client:
            asking = asyncio.create_task(client.post(url, headers=headers))
            await asyncio.to_thread(asked.wait, PATIENCE)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(leave())
    if hang_up == "lost":
        go_on.set()
    assert over.wait(PATIENCE)
    assert outcome == ["answered" if hang_up == "lost" else "left"]


async def _disconnected(request: Request) -> None:
    while not await request.is_disconnected():  # noqa: ASYNC110 - it is not told, it asks
        await asyncio.sleep(0.01)


def pinging(kind: str, folder: Path, *, idle: float) -> IsolatedAgents:
    environment = bare_environment() | {"PING": kind}
    lifecycle = Lifecycle(idle, 60, poll=0.05)
    return IsolatedAgents(environment, folder, lifecycle, limit=1, module="tests.local.planes.pinging_agent")


def ask(url: str, pool: UserPool, seconds: float) -> str:
    headers = {"Authorization": f"Bearer {pool.id_token()}", SESSION: "a" * 40}
    try:
        return loopback.post(url, json={"seconds": seconds}, headers=headers, timeout=PATIENCE).text
    except httpx.RemoteProtocolError:
        return "cut"


def test_an_agent_that_says_it_is_busy_is_kept_for_as_long_as_it_answers(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    agents = pinging("busy", tmp_path, idle=0.5)
    assert "done" in ask(serve_runtime(graph, agents=agents), pool, 1.5)
    wait_for(lambda: not agents.processes, "it is idle now, and ends")


def test_an_agent_that_says_it_is_idle_is_ended_in_mid_answer(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    agents = pinging("healthy", tmp_path, idle=0.5)
    assert "done" not in ask(serve_runtime(graph, agents=agents), pool, PATIENCE)
    wait_for(lambda: not agents.processes, "the session ends")


def test_an_agent_whose_time_always_moves_is_never_idle(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    agents = pinging("moving", tmp_path, idle=0.5)
    assert "done" in ask(serve_runtime(graph, agents=agents), pool, 0)
    (before,) = agents.processes.values()
    assert "done" in ask(serve_runtime(graph, agents=agents), pool, 1.5), "kept through three idle times"
    assert list(agents.processes.values()) == [before]
