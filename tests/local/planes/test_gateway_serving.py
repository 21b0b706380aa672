"""Below the application: what a connection may do to the server that it comes to."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from local import LOOPBACK
from local.planes.serving import HEAD_LIMIT_BYTES, IDLE_CONNECTION_SECONDS, server_config
from tests import loopback
from tests.local.conftest import PATIENCE, Backend, Serve, Server, UserPool, post

POST = b"POST /dev/invocations HTTP/1.1\r\nHost: x\r\n"
HANDSHAKE = (
    b"GET /dev/invocations HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(scope="module")
def quick() -> Iterator[Server]:
    """A server whose idle limit is 0.31 s."""
    app: ASGIApp = PlainTextResponse("here")
    with Server(app, time_scale=1000) as server:
        yield server


def connect(url: str) -> socket.socket:
    return socket.create_connection((LOOPBACK, urlsplit(url).port or 0), timeout=PATIENCE)


def said(connection: socket.socket) -> bytes:
    """All that the server says until it closes; running into the patience fails the test."""
    answer = b""
    try:
        while chunk := connection.recv(65_536):
            answer += chunk
    except ConnectionError:
        pass  # what had arrived before may be lost with it
    return answer


def test_the_idle_limit_of_a_connection_is_310_seconds() -> None:
    async def app(*_: Any) -> None: ...

    assert IDLE_CONNECTION_SECONDS == 310
    assert server_config(app).timeout_keep_alive == 310


@pytest.mark.parametrize("sent", [b"", POST, POST + b"Content-Length: 9\r\n\r\n{", POST + b"X-Half: "])
def test_a_connection_that_keeps_a_request_waiting_is_closed(sent: bytes, quick: Server) -> None:
    with connect(quick.url) as connection:
        connection.sendall(sent)
        assert b"HTTP/1.1 5" not in said(connection)


def test_a_caller_who_goes_on_talking_is_heard_out(quick: Server) -> None:
    began = time.monotonic()
    with connect(quick.url) as connection:
        connection.sendall(POST + b"Connection: close\r\n")
        while time.monotonic() - began < 0.7:  # twice the limit
            connection.sendall(b"X-More: 1\r\n")
            threading.Event().wait(0.02)
        connection.sendall(b"\r\n")
        assert said(connection).endswith(b"here")


def test_a_header_that_never_ends_is_refused_and_stalls_nobody(
    pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    del backend
    url = serve_gateway()
    with connect(url) as connection:
        connection.sendall(POST + b"X-Long: " + b"x" * (HEAD_LIMIT_BYTES - 1000))
        assert post(url, pool.id_token()).status_code == 200
        connection.sendall(b"x" * 1001)
        assert said(connection).startswith(b"HTTP/1.1 431 ")


def test_trailers_that_never_end_are_refused(serve_gateway: Serve) -> None:
    with connect(serve_gateway()) as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
        for _ in range(HEAD_LIMIT_BYTES // 1000 + 10):
            try:
                connection.sendall(b"X-T: " + b"x" * 993 + b"\r\n")
            except ConnectionError:
                break
        answer = said(connection)
    assert not answer or answer.startswith(b"HTTP/1.1 4")


def test_a_long_body_is_no_long_header(quick: Server) -> None:
    with connect(quick.url) as connection:
        size = 4 * HEAD_LIMIT_BYTES
        connection.sendall(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % size)
        connection.sendall(b"x" * size)
        assert said(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("line", [b"OPTIONS *", b"GET /nothing", b"POST /production/invocations", b"TRACE /"])
def test_no_path_is_the_servers_own(line: bytes, serve_gateway: Serve) -> None:
    with connect(serve_gateway()) as connection:
        connection.sendall(line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = said(connection)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"MISSING_AUTHENTICATION_TOKEN" in answer


def test_a_websocket_handshake_is_a_request_like_another(serve_gateway: Serve, serve_runtime: Serve) -> None:
    for url, status in ((serve_gateway(), b"403"), (serve_runtime(), b"401")):
        with connect(url) as connection:
            connection.sendall(HANDSHAKE)
            assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 " + status)


BODY = b'{"prompt": "Hello"}'
ASK = b"Authorization: Bearer %s\r\nContent-Type: application/json\r\n"


def test_an_upgrade_that_is_not_granted_keeps_its_body(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    """As Java's client and ``curl --http2`` ask over plain HTTP; what follows is the next request, not the body."""
    head = POST + ASK % pool.id_token().encode() + b"Content-Length: %d\r\n" % len(BODY)
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n\r\n"
    with connect(serve_gateway()) as connection:
        connection.sendall(head + upgrade + BODY + head + b"Connection: close\r\n\r\n" + BODY)
        answer = said(connection)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert backend.bodies == [BODY, BODY]
    assert "upgrade" not in backend.requests[0].headers


def test_a_caller_who_waits_for_100_continue_is_told_to_go_on(
    pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    """As curl does before a body of more than a megabyte, and Java's client when it is told to."""
    head = POST + ASK % pool.id_token().encode() + b"Content-Length: %d\r\n" % len(BODY)
    with connect(serve_gateway()) as connection, connection.makefile("rb") as answer:
        connection.sendall(head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        assert answer.readline().startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY)
        assert b"HTTP/1.1 200 " in answer.read()
    assert backend.bodies == [BODY]
    assert "expect" not in backend.requests[0].headers


def test_trailers_are_no_headers(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    head = POST + ASK % pool.id_token().encode() + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunks = b"%x\r\n%s\r\n0\r\nX-Team: forged\r\nAuthorization: Bearer x\r\n\r\n" % (len(BODY), BODY)
    with connect(serve_gateway()) as connection:
        connection.sendall(head + chunks)
        assert said(connection).startswith(b"HTTP/1.1 200 ")
    assert backend.bodies == [BODY]
    assert "x-team" not in backend.requests[0].headers
    assert backend.requests[0].headers["authorization"] != "Bearer x"


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"])
def test_a_request_has_one_host(hosts: bytes, backend: Backend, serve_gateway: Serve, serve_runtime: Serve) -> None:
    for url in (serve_gateway(), serve_runtime()):
        with connect(url) as connection:
            connection.sendall(b"POST /dev/invocations HTTP/1.1\r\n" + hosts + b"Content-Length: 0\r\n\r\n")
            assert said(connection).startswith(b"HTTP/1.1 400 ")
    assert not backend.requests


@pytest.mark.parametrize("value", [b"\x00", b"a\x01", b"\x0bb", b"\x1f", b"a\x7fb"])
def test_a_control_character_in_a_header_is_the_callers_mistake(
    value: bytes, pool: UserPool, serve_gateway: Serve
) -> None:
    head = POST + b"Authorization: Bearer " + pool.id_token().encode() + b"\r\nX-Any: " + value + b"\r\n"
    with connect(serve_gateway()) as connection:
        connection.sendall(head + b"Connection: close\r\nContent-Length: 16\r\n\r\n" + b'{"prompt": "Hi"}')
        assert said(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.skipif(shutil.which("javac") is None, reason="no Java compiler on the PATH: install a JDK to run it")
def test_javas_own_client_is_answered(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    program = Path(__file__).with_name("Http2Upgrade.java")
    quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # halves its compilation, which is most of this test
    java = ["java", *quick, str(program), serve_gateway(), pool.id_token()]
    done = subprocess.run(java, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["200 {}", "200 {}"], done.stderr
    assert [json.loads(body) for body in backend.bodies] == [{"prompt": "Hello"}] * 2


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the PATH: install it to run this")
def test_curl_that_asks_for_http2_is_answered(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    asking = [
        "-H",
        f"Authorization: Bearer {pool.id_token()}",
        "-H",
        "Content-Type: application/json",
        "-d",
        BODY.decode(),
    ]
    once = ["--http2", "-sS", "-w", " %{http_code} %{http_version}\n", *asking, serve_gateway()]
    done = subprocess.run(["curl", *once, "--next", *once], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["{} 200 1.1", "{} 200 1.1"], done.stderr
    assert backend.bodies == [BODY, BODY]


def test_an_unused_connection_stays_for_the_next_request(quick: Server) -> None:
    with loopback.Client() as client, connect(quick.url) as silent:
        client.get(quick.url)
        said(silent)  # closed by the limit, which the other connection has then passed too
        pool = client._transport._pool  # type: ignore[attr-defined]  # no public way to see which connection was used
        before = pool.connections[0]
        client.get(quick.url)
        assert pool.connections == [before]
