"""What a caller may have fetched: nothing but a public https address of a host that the settings name."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import media
from tests.agent.support import Serve, new_session, question
from tests.agent.test_bedrock import tls  # noqa: F401 - a fixture

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG and so on"


@pytest.fixture
def host(tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:  # noqa: F811
    """An https server on loopback that the agent takes for a public one; `answers` says what it answers."""

    class Host(ThreadingHTTPServer):
        asked: list[tuple[str, str | None]]
        answer: tuple[int, str, bytes] = (200, "image/png", PNG)
        headers: dict[str, str]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.asked.append((self.path, self.headers["Host"]))
            status, kind, body = server.answer
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **server.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            pass

    server = Host(("127.0.0.1", 0), Handler)
    server.asked, server.headers = [], {}
    server.socket = tls[0].wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    monkeypatch.setattr(media, "_is_public", lambda address: address == "127.0.0.1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


async def echo(run: Any) -> AsyncIterator[str]:
    """Answer with the media of the question."""
    (message,) = run.input
    yield " ".join(f"{part.source.type} {part.source.mime_type} {part.source.value}" for part in message.content)


def picture(address: str) -> dict[str, Any]:
    body = question()
    body["messages"][0]["content"] = [{"type": "image", "source": {"type": "url", "value": address}}]
    return body


async def test_a_named_host_is_asked_and_the_data_takes_the_addresss_place(serve: Serve, host: Any) -> None:
    server = serve(echo, media_hosts="127.0.0.1")
    reply = await server.ask(picture(f"https://127.0.0.1:{host.server_address[1]}/a.png?x=1"), session=new_session())
    assert reply.text == f"data image/png {base64.b64encode(PNG).decode()}"
    assert host.asked == [("/a.png?x=1", f"127.0.0.1:{host.server_address[1]}")]


@pytest.mark.parametrize(
    "answer",
    [
        (302, "image/png", PNG),
        (404, "image/png", PNG),
        (200, "text/html", PNG),
        (200, "image/png", b""),
        (200, "image/png", b"x" * 5_000_000),
    ],
    ids=["a redirect", "not found", "another type", "nothing", "too much"],
)
async def test_anything_but_a_plain_picture_is_refused(serve: Serve, host: Any, answer: Any) -> None:
    host.answer, host.headers = answer, {"Location": "https://127.0.0.1/elsewhere"}
    server = serve(echo, media_hosts="127.0.0.1")
    reply = await server.ask(picture(f"https://127.0.0.1:{host.server_address[1]}/"), session=new_session())
    assert reply.code == "MEDIA_URL_FORBIDDEN"
    assert len(host.asked) == 1


async def test_a_named_host_that_is_not_public_is_never_connected_to(
    serve: Serve, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "_is_public", IS_PUBLIC)
    server = serve(echo, media_hosts="127.0.0.1,localhost,169.254.169.254")
    for name in ("127.0.0.1", "localhost"):
        reply = await server.ask(picture(f"https://{name}:{host.server_address[1]}/"), session=new_session())
        assert reply.code == "MEDIA_URL_FORBIDDEN"
    assert (await server.ask(picture("https://169.254.169.254/latest/"), session=new_session())).code
    assert host.asked == []


IS_PUBLIC: Callable[[str], bool] = media._is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.31.255.255", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("::ffff:169.254.169.254", False),
        ("2002:a9fe:a9fe::1", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert IS_PUBLIC(address) is public


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_no_private_address_is_public_in_any_spelling(address: Any) -> None:
    assert not IS_PUBLIC(str(address))
    assert not IS_PUBLIC(f"::ffff:{address}")
