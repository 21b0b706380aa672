"""Whatever arrives on the socket: an answer below 500 or a closed connection, never a traceback, never a hang.

A traceback goes to the server's log and not to the caller, so the log is looked at too.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.config import SettingsError, StackConfig
from local import LOOPBACK
from local.program.graph import Graph
from tests.local.changes import ACL, throttled
from tests.local.conftest import Backend, Serve, Servers, UserPool

PATIENCE = 10.0
SILENCE = 0.02
"""Seconds; on a busy machine a few answers are then not waited for, which only finds less."""
FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

TOKEN_CHARACTERS = "abcXYZ019-_.!#$%&'*+^`|~"
names = st.text(TOKEN_CHARACTERS, min_size=1, max_size=20)
values = st.binary(max_size=60).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
methods = st.sampled_from([b"GET", b"POST", b"PUT", b"OPTIONS", b"HEAD", b"DELETE", b"PATCH", b"TRACE", b"BREW"])
paths = st.one_of(
    st.sampled_from([b"/dev/invocations", b"/dev", b"/", b"*", b"/dev/../dev/invocations", b"//dev//invocations"]),
    st.binary(min_size=1, max_size=80).map(lambda raw: b"/" + bytes(byte for byte in raw if byte not in b" \r\n\x00")),
)


targets = st.builds(lambda path, query: path + query, paths, st.just(b"") | paths.map(lambda path: b"?" + path))

TOKEN = b"$TOKEN$"
"""Stands for a good token, which a strategy cannot have: it is a fixture."""

HANDSHAKE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that is well-formed up to its surprises, or that lies about its body's length or framing."""
    body = draw(st.one_of(st.binary(max_size=200), st.just(json.dumps({"prompt": "Hi"}).encode())))
    headers = draw(st.lists(st.tuples(names.map(str.encode), values), max_size=6))
    framing = draw(
        st.sampled_from(
            [
                b"Content-Length: %d" % len(body),
                b"Content-Length: %d\r\nContent-Length: 3" % len(body),
                b"Content-Length: -1",
                b"Content-Length: many",
                b"Transfer-Encoding: chunked",
                b"Transfer-Encoding: chunked\r\nContent-Length: 5",
                b"Expect: 100-continue\r\nContent-Length: 0",
                HANDSHAKE,
            ]
        )
    )
    if framing == b"Transfer-Encoding: chunked" and draw(st.booleans()):
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    head = b"%s %s HTTP/%s\r\n" % (draw(methods), draw(targets), draw(st.sampled_from([b"1.1", b"1.0", b"9.9"])))
    signed_in = [b"Authorization: Bearer " + TOKEN] if draw(st.booleans()) else []
    lines = [b"Host: localhost", b"Connection: close", *signed_in, *(b"%s: %s" % pair for pair in headers), framing]
    return head + b"\r\n".join(lines) + b"\r\n\r\n" + body


def answer_to(url: str, request: bytes) -> bytes:
    """All that the server says to some bytes. It is hung up on only when it says nothing: it would not answer then."""
    received = b""
    with socket.create_connection((LOOPBACK, urlsplit(url).port or 0), timeout=SILENCE) as connection:
        try:
            connection.sendall(request)
            while chunk := _heard(connection):
                received += chunk
        except ConnectionError:
            pass  # closed by the server while it was being spoken to, which is an answer
    return received


def _heard(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except TimeoutError:  # it waits for the rest of the request
        connection.settimeout(PATIENCE)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(65_536)


@pytest.fixture(scope="module")
def gateway(graph: Graph, gateways: Servers) -> Iterator[str]:
    """A gateway that no number of requests is too many for."""
    acl = graph.one(ACL)
    rules = [rule for rule in acl.inputs["rules"] if "rateBasedStatement" not in rule["statement"]]
    yield gateways(throttled(graph, 1e6, 1_000_000).with_inputs(acl.urn, rules=rules))
    gateways.end_changed()


@pytest.fixture(scope="module")
def token(pool: UserPool) -> bytes:
    """A good token for all requests, because a signature takes as long as an answer."""
    return pool.id_token().encode()


def check(answer: bytes, complaints: list[logging.LogRecord]) -> None:
    assert [record.getMessage() for record in complaints] == []
    for line in answer.split(b"\r\n"):
        if line.startswith(b"HTTP/1.1 "):
            assert int(line.split(b" ")[1]) < 500, answer[:500]


@FUZZ
@given(request=requests())
def test_the_gateway_survives_any_request(
    request: bytes, token: bytes, backend: Backend, gateway: str, complaints: list[logging.LogRecord]
) -> None:
    del backend
    check(answer_to(gateway, request.replace(TOKEN, token)), complaints)


@FUZZ
@given(request=st.binary(max_size=300))
def test_the_gateway_survives_any_bytes(request: bytes, gateway: str, complaints: list[logging.LogRecord]) -> None:
    check(answer_to(gateway, request), complaints)


@FUZZ
@given(request=requests())
def test_the_runtime_survives_any_request(
    request: bytes, token: bytes, serve_runtime: Serve, complaints: list[logging.LogRecord]
) -> None:
    url = serve_runtime()
    path = urlsplit(url).path.encode()
    signed_in = request.replace(b"/dev/invocations", path).replace(TOKEN, token)
    check(answer_to(url, signed_in), complaints)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@FUZZ
@given(body=json_values | st.binary(max_size=100))
def test_a_signed_in_caller_can_send_any_body(
    body: Any, token: bytes, backend: Backend, gateway: str, complaints: list[logging.LogRecord]
) -> None:
    del backend
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = b"POST /dev/invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    request = b"%sAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (head, token, len(content), content)
    check(answer_to(gateway, request), complaints)


keys = st.sampled_from(
    ["aws:region", "agent-stream:owner", "agent-stream:api", "agent-stream:runtime", "agent-stream:identity"]
) | st.text(max_size=20)
sections = st.dictionaries(
    st.sampled_from(["endpointType", "timeoutSeconds", "heartbeatSeconds", "allowedOrigin", "modelArns", "model"])
    | st.text(max_size=8),
    json_values,
    max_size=4,
).map(json.dumps)


@FUZZ
@given(values=st.dictionaries(keys, st.text(max_size=30) | sections, max_size=6))
def test_the_settings_loader_explains_whatever_it_cannot_take(values: dict[str, str]) -> None:
    try:
        StackConfig.parse("agent-stream", "dev", values)
    except SettingsError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all(problem.strip() for problem in problems)
