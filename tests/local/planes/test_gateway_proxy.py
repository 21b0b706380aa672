"""The integration in both modes: what arrives when, and what each limit does to an answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from local.program.graph import Graph
from local.run.demo import buffered
from tests import loopback
from tests.local.changes import calling_agentcore, endpoint_type
from tests.local.conftest import PATIENCE, Backend, Serve, UserPool, post, read_log, wait_for

MEGABYTE = 1024 * 1024


def streaming(chunks: Callable[[], AsyncIterator[bytes]]) -> Callable[[Request], Any]:
    """A handler that streams what ``chunks`` yields."""

    async def handler(_: Request) -> Response:
        return StreamingResponse(chunks(), media_type="text/event-stream")

    return handler


@contextmanager
def asking(url: str, token: str) -> Iterator[httpx.Response]:
    """An answer that is being read."""
    headers = {"Authorization": f"Bearer {token}"}
    with (
        loopback.Client(timeout=PATIENCE) as client,
        client.stream("POST", url, headers=headers, json={"prompt": "Hi"}) as response,
    ):
        yield response


def megabytes_of(response: httpx.Response) -> tuple[int, dict[int, float]]:
    """Read a stream to its end; its size, and when each megabyte of it was there."""
    times: dict[int, float] = {}
    size = 0
    for chunk in response.iter_raw():
        size += len(chunk)
        times.setdefault(size // MEGABYTE, time.monotonic())
    return size, times


async def happened(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE)


def test_stream_passes_each_chunk_on_before_the_next_is_made(
    pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    seen = [threading.Event() for _ in range(3)]

    async def chunks() -> AsyncIterator[bytes]:
        for number, event in enumerate(seen):
            yield f"data: {number}\n\n".encode()
            await happened(event)  # only when the caller has this chunk is the next one made

    backend.handler = streaming(chunks)
    with asking(serve_gateway(), pool.id_token()) as response:
        assert response.status_code == 200
        for number, chunk in enumerate(response.iter_raw()):
            assert chunk == f"data: {number}\n\n".encode()
            seen[number].set()
    assert all(event.is_set() for event in seen)


def test_buffered_gives_nothing_until_everything_is_there(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    sent, go = threading.Event(), threading.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"first "
        sent.set()
        await happened(go)
        yield b"last"

    backend.handler = streaming(chunks)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(post, serve_gateway(buffered(graph)), pool.id_token())
        assert sent.wait(PATIENCE)
        assert not answer.done()
        go.set()
        response = answer.result(PATIENCE)
    assert response.text == "first last"
    assert response.headers["content-length"] == "10"


@pytest.mark.parametrize("mode", ["STREAM", "BUFFERED"])
def test_a_backend_that_never_answers_is_an_integration_timeout(
    mode: str, graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    never = threading.Event()

    async def handler(_: Request) -> Response:
        await happened(never)
        return Response()

    backend.handler = handler
    slow = calling_agentcore(graph, responseTransferMode=mode, timeoutMilliseconds=20_000)
    try:
        answer = post(serve_gateway(slow, time_scale=100), pool.id_token())
    finally:
        never.set()
    assert answer.status_code == 504
    assert answer.json()["type"] == "INTEGRATION_TIMEOUT"


def test_a_stream_is_cut_at_the_integration_timeout_and_keeps_its_status(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    over = threading.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b": still here\n\n"
                await asyncio.sleep(0.02)
        finally:
            over.set()

    backend.handler = streaming(chunks)
    url = serve_gateway(calling_agentcore(graph, timeoutMilliseconds=50_000), time_scale=100)
    with asking(url, pool.id_token()) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()
    assert over.wait(PATIENCE), "the backend was not told"


@pytest.mark.parametrize(
    ("kind", "seconds", "limit"),
    [
        ("REGIONAL", 900, "idle"),
        ("REGIONAL", 200, "integration"),
        ("PRIVATE", 900, "idle"),
        ("EDGE", 100, "idle"),
        ("EDGE", 20, "integration"),
    ],
)
def test_a_silent_stream_is_cut_at_the_idle_limit_of_its_endpoint_type(
    kind: str,
    seconds: int,
    limit: str,
    graph: Graph,
    pool: UserPool,
    backend: Backend,
    serve_gateway: Serve,
    tmp_path: Path,
) -> None:
    """300 s on REGIONAL and PRIVATE, 30 s on EDGE: an integration timeout above that is not what cuts it."""
    never = threading.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"data: one\n\n"
        await happened(never)

    backend.handler = streaming(chunks)
    scale = 100 if kind == "EDGE" else 1000
    declared = calling_agentcore(endpoint_type(graph, kind), timeoutMilliseconds=seconds * 1000)
    url = serve_gateway(declared, time_scale=scale, access_log=tmp_path / "access.log")
    began = time.monotonic()
    try:
        with asking(url, pool.id_token()) as response, pytest.raises(httpx.RemoteProtocolError):
            response.read()
    finally:
        never.set()
    assert time.monotonic() - began >= min(seconds / scale, 0.3) - 0.01
    (line,) = read_log(tmp_path / "access.log", 1)
    assert (line["status"], line["integrationError"]) == ("200", f"the {limit} timeout was reached")


@pytest.mark.parametrize(("seconds", "limit"), [(900, "idle"), (20, "integration")])
def test_a_reader_who_takes_nothing_is_cut_at_the_same_limits(
    seconds: int, limit: str, graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve, tmp_path: Path
) -> None:
    over = threading.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * MEGABYTE
                await asyncio.sleep(0)  # or its server never hears of a hang-up
        finally:
            over.set()

    backend.handler = streaming(chunks)
    declared = calling_agentcore(endpoint_type(graph, "EDGE"), timeoutMilliseconds=seconds * 1000)
    url = serve_gateway(declared, time_scale=100, access_log=tmp_path / "access.log")
    with asking(url, pool.id_token()) as response:
        assert response.status_code == 200
        assert over.wait(PATIENCE), "the backend was not let go"
        (line,) = read_log(tmp_path / "access.log", 1)
    assert line["integrationError"] == f"the {limit} timeout was reached"
    assert line["integrationLatency"].isdigit()


def test_a_paced_stream_is_cut_at_the_integration_timeout(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve, tmp_path: Path
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * MEGABYTE

    backend.handler = streaming(chunks)
    changed = calling_agentcore(graph, timeoutMilliseconds=50_000)
    url = serve_gateway(changed, time_scale=100, access_log=tmp_path / "access.log")
    with asking(url, pool.id_token()) as response, pytest.raises(httpx.RemoteProtocolError):
        response.read()  # whole, it would take five seconds
    (line,) = read_log(tmp_path / "access.log", 1)
    assert line["integrationError"] == "the integration timeout was reached"


def test_heartbeats_keep_a_stream_alive_past_the_idle_limit(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        began = time.monotonic()
        while time.monotonic() - began < 1.5:  # five idle limits long
            yield b": keep-alive\n"
            await asyncio.sleep(0.05)
        yield b"data: done\n\n"

    backend.handler = streaming(chunks)
    with asking(serve_gateway(endpoint_type(graph, "EDGE"), time_scale=100), pool.id_token()) as response:
        assert response.read().endswith(b"data: done\n\n")


def test_beyond_ten_megabytes_a_stream_is_held_to_two_a_second(
    pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b"x" * MEGABYTE

    backend.handler = streaming(chunks)
    with asking(serve_gateway(), pool.id_token()) as response:
        size, times = megabytes_of(response)
    assert size == 12 * MEGABYTE
    assert times[12] - times[10] > 0.6


def test_a_stream_that_pauses_saves_no_speed_up(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * (10 * MEGABYTE + 1)
        await asyncio.sleep(1.5)  # for which the limit would let 3 MB through at once, had they come steadily
        for _ in range(2):
            yield b"x" * MEGABYTE

    backend.handler = streaming(chunks)
    with asking(serve_gateway(), pool.id_token()) as response:
        _, times = megabytes_of(response)
    assert times[12] - times[11] > 0.3


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 504)])
def test_a_buffered_answer_over_ten_megabytes_is_refused(
    more: int, status: int, graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * MEGABYTE
        yield b"x" * more

    backend.handler = streaming(chunks)
    assert post(serve_gateway(buffered(graph)), pool.id_token()).status_code == status


def test_a_backend_that_breaks_off_is_a_cut_stream(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"data: one\n\n"
        raise ConnectionResetError

    backend.handler = streaming(chunks)
    with asking(serve_gateway(), pool.id_token()) as response, pytest.raises(httpx.RemoteProtocolError):
        response.read()


def test_a_slow_reader_slows_the_backend_and_fills_no_memory(
    pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    made = 0
    gone = threading.Event()

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal made
        try:
            for _ in range(64):
                made += MEGABYTE
                yield b"x" * MEGABYTE
        finally:
            gone.set()

    backend.handler = streaming(chunks)
    with asking(serve_gateway(), pool.id_token()) as response:
        assert response.status_code == 200
        before = -1
        while before != made:  # until it makes no more
            before = made
            gone.wait(0.5)
        assert made < 32 * MEGABYTE  # what the sockets' buffers hold, and no more
    assert gone.wait(PATIENCE)


def test_a_hang_up_in_mid_stream_reaches_the_backend(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    gone = threading.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"data: one\n\n"
            await asyncio.sleep(PATIENCE)
        finally:
            gone.set()

    backend.handler = streaming(chunks)
    with asking(serve_gateway(), pool.id_token()) as response:
        next(response.iter_raw())
    assert gone.wait(PATIENCE)


@pytest.mark.parametrize("mode", ["STREAM", "BUFFERED"])
def test_a_hang_up_before_the_first_byte_reaches_the_backend(
    mode: str, graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    asked, gone = threading.Event(), threading.Event()

    async def handler(request: Request) -> Response:
        asked.set()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()
        return Response()

    backend.handler = handler
    url = serve_gateway(calling_agentcore(graph, responseTransferMode=mode, timeoutMilliseconds=300_000))

    async def ask_and_leave() -> None:
        async with loopback.AsyncClient(timeout=PATIENCE) as client:
            headers = {"Authorization": f"Bearer {pool.id_token()}"}
            asking = asyncio.create_task(client.post(url, headers=headers, json={"prompt": "Hi"}))
            await happened(asked)
            asking.cancel()

    asyncio.run(ask_and_leave())
    assert gone.wait(PATIENCE)


def test_a_host_that_is_not_on_loopback_is_never_called(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    url = serve_gateway(calling_agentcore(graph, uri="https://example.com/invocations"))
    assert post(url, pool.id_token()).json()["type"] == "INTEGRATION_FAILURE"
    assert not backend.requests


def test_the_stage_serves_other_requests_while_one_hangs(
    pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    release = threading.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"data: one\n\n"
        await happened(release)

    backend.handler = streaming(chunks)
    with asking(serve_gateway(), pool.id_token()) as response:
        next(response.iter_raw())
        backend.handler = backend.answer
        assert post(serve_gateway(), pool.id_token()).status_code == 200
        release.set()
    wait_for(lambda: len(backend.requests) == 2, "both reached the backend")
