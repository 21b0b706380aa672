"""What is refused before the agent sees it: in which order, and what the log keeps of it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.agent.support import ORIGIN, Serve, Server, new_session, token

pytestmark = pytest.mark.anyio

REQUEST_ID = "X-Amzn-Bedrock-AgentCore-Runtime-Request-Id"


@pytest.mark.parametrize("body", [b"{", b'{"prompt": ""}', b'{"prompt": "Hi"}'], ids=["no JSON", "bad", "good"])
async def test_who_goes_around_the_api_learns_nothing_about_the_body(serve: Serve, body: bytes) -> None:
    server = serve(origin_secret="current")
    reply = await server.ask(body, headers={ORIGIN: "wrong"})
    assert (reply.types, reply.code) == (["RUN_ERROR"], "ORIGIN_FORBIDDEN")


async def test_a_forbidden_origin_is_refused_before_the_body_is_read(serve: Serve) -> None:
    url = httpx.URL(serve(origin_secret="current").url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
    answer = await asyncio.wait_for(reader.readuntil(b"RUN_ERROR"), 10)
    assert answer.startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()


UPGRADES = {
    "curl 7.88.1 --http2": b"User-Agent: curl/7.88.1\r\nAccept: */*\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    "java.net.http of Java 17.0.15": b"Connection: Upgrade, HTTP2-Settings\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\r\nUpgrade: h2c\r\n"
    b"User-Agent: Java-http-client/17.0.15\r\n",
}


@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
async def test_an_upgrade_that_is_not_granted_keeps_its_body(shared: Server, upgrade: bytes) -> None:
    """The headers with which two programs ask for HTTP/2 over plain HTTP; then the same connection's next question."""
    url = httpx.URL(shared.url)
    body = b'{"prompt": "[words=1 pause=0]"}'
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n"
    request = head % (token().encode(), len(body)) + upgrade + b"\r\n" + body
    reader, writer = await asyncio.open_connection(url.host, url.port)
    for _ in range(2):
        writer.write(request)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.count(b"RUN_FINISHED") == 1
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("body", "origin"),
    [(b"{", "current"), (b"{}", "current"), (b'{"prompt": "Hi"}', "wrong")],
    ids=["no JSON", "bad", "forbidden"],
)
async def test_the_log_line_of_a_refusal_has_the_ids_of_its_request(serve: Serve, body: bytes, origin: str) -> None:
    server, session = serve(origin_secret="current"), new_session()
    await server.ask(body, session=session, headers={ORIGIN: origin, REQUEST_ID: "request-1"})
    line = server.log()
    assert (line["outcome"], line["sessionId"], line["requestId"]) == ("refused", session, "request-1")


async def test_the_log_line_of_a_run_that_is_refused_its_session_has_them_too(serve: Serve) -> None:
    server, session = serve(), new_session()
    for user in ("alice", "mallory"):
        await server.ask("Hi [words=1 pause=0]", user=user, session=session, headers={REQUEST_ID: user})
    lines: list[dict[str, Any]] = [server.log(), server.log()]
    assert [(line["outcome"], line["sessionId"], line["requestId"]) for line in lines] == [
        ("completed", session, "alice"),
        ("refused", session, "mallory"),
    ]
