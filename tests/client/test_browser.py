"""Sign in through the user pool's page: only the answer to our own question is taken."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest

from client.account import claims_of
from client.browser import begin, browser_sign_in, loopback_callback
from client.errors import SignInError, UsageError
from client.outputs import Outputs
from client.users import administrator
from local.processes.ports import any_port
from tests import loopback
from tests.client.conftest import PASSWORD


@pytest.fixture
def browsable(outputs: Outputs) -> Outputs:
    """The stack with an app client of the test's own, whose callback is a free port."""
    callback = f"http://localhost:{any_port()}/callback"
    cognito: Any = administrator(outputs)
    made = cognito.create_user_pool_client(
        UserPoolId=outputs.user_pool_id,
        ClientName="browser",
        ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid", "email", "profile"],
        CallbackURLs=[callback],
        SupportedIdentityProviders=["COGNITO"],
    )["UserPoolClient"]
    changes = {"user_pool_client_id": made["ClientId"], "callback_urls": (callback,)}
    return outputs.model_copy(update=changes)


def visit(username: str, password: str, *, before: Callable[[str], None] = lambda _url: None) -> Callable[[str], None]:
    """A browser, in a thread: fills the sign-in form in and follows where it leads."""

    def fill_in(url: str) -> None:
        before(url)
        with loopback.Client() as browser:
            page = browser.get(url)
            form = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
            action = re.search(r'<form method="POST" action="([^"]+)"', page.text)
            assert action, page.text
            answer = browser.post(urljoin(url, action[1]), data={**form, "username": username, "password": password})
            location = answer.headers["location"]
            browser.get(location.replace("localhost", "127.0.0.1"))

    return lambda url: threading.Thread(target=fill_in, args=(url,), daemon=True).start()


def test_the_browser_signs_in_with_pkce(browsable: Outputs, stranger: str) -> None:
    tokens = browser_sign_in(browsable, loopback_callback(browsable), visit(stranger, PASSWORD), patience=30)
    assert claims_of(tokens.id)["aud"] == browsable.user_pool_client_id
    assert tokens.refresh


def test_an_answer_that_was_not_asked_for_is_not_taken(browsable: Outputs, stranger: str) -> None:
    refused: list[int] = []

    def forge(url: str) -> None:
        callback = parse_qs(urlsplit(url).query)["redirect_uri"][0].replace("localhost", "127.0.0.1")
        forged = ({"code": "x"}, {"code": "x", "state": "guessed"}, {"code": "x", "state": "\u00e9"})
        refused.extend(loopback.get(f"{callback}?{urlencode(one)}").status_code for one in forged)

    tokens = browser_sign_in(
        browsable, loopback_callback(browsable), visit(stranger, PASSWORD, before=forge), patience=30
    )
    assert tokens.id
    assert refused == [404, 404, 404]


def test_a_refusal_on_the_page_is_told(browsable: Outputs) -> None:
    def refuse(url: str) -> None:
        query = parse_qs(urlsplit(url).query)
        answer = {"state": query["state"][0], "error": "access_denied", "error_description": "No."}
        callback = query["redirect_uri"][0].replace("localhost", "127.0.0.1")
        threading.Thread(target=lambda: loopback.get(f"{callback}?{urlencode(answer)}"), daemon=True).start()

    with pytest.raises(SignInError, match="No"):
        browser_sign_in(browsable, loopback_callback(browsable), refuse, patience=30)


def test_nobody_signs_in_for_ever(browsable: Outputs) -> None:
    with pytest.raises(SignInError, match="in time"):
        browser_sign_in(browsable, loopback_callback(browsable), lambda _url: None, patience=0.05)


def test_the_proof_is_never_in_the_address(browsable: Outputs) -> None:
    attempt = begin(browsable, loopback_callback(browsable))
    assert attempt.verifier not in attempt.url
    assert parse_qs(urlsplit(attempt.url).query)["code_challenge_method"] == ["S256"]


def test_a_callback_elsewhere_is_refused(browsable: Outputs) -> None:
    with pytest.raises(SignInError, match="not on this machine"):
        begin(browsable, "https://example.com/")


@pytest.mark.parametrize("registered", [(), ("https://chat.example.com/",), ("https://localhost:5173/",)])
def test_a_stack_without_an_address_on_this_machine_is_told_at_once(
    registered: tuple[str, ...], browsable: Outputs
) -> None:
    with pytest.raises(SignInError, match=r"identity\.callbackUrls"):
        loopback_callback(browsable.model_copy(update={"callback_urls": registered}))


@pytest.mark.parametrize("callback", ["http://localhost:99999/", "http://[localhost/", "http://localhost:0/"])
def test_a_callback_that_no_browser_can_come_back_to_is_refused(callback: str, browsable: Outputs) -> None:
    with pytest.raises(SignInError, match="--callback"):
        begin(browsable, callback)


def test_who_holds_a_connection_open_keeps_nobody_from_signing_in(browsable: Outputs, stranger: str) -> None:
    held: list[socket.socket] = []
    let_go = threading.Event()

    def drip(connection: socket.socket) -> None:
        while not let_go.wait(0.1):
            connection.sendall(b"G")

    def hold(url: str) -> None:
        port = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0]).port
        held.append(socket.create_connection(("127.0.0.1", port)))
        threading.Thread(target=drip, args=(held[0],), daemon=True).start()

    try:
        tokens = browser_sign_in(
            browsable, loopback_callback(browsable), visit(stranger, PASSWORD, before=hold), patience=15
        )
    finally:
        let_go.set()
        held[0].close()
    assert tokens.id


def test_a_page_that_asks_for_no_address_prints_nothing(
    browsable: Outputs, stranger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def disturb(url: str) -> None:
        port = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0]).port
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET http://[ HTTP/1.1\r\n\r\n")
            connection.recv(1)

    tokens = browser_sign_in(
        browsable, loopback_callback(browsable), visit(stranger, PASSWORD, before=disturb), patience=30
    )
    assert tokens.id
    assert capsys.readouterr().err == ""


def test_an_unusable_proxy_is_told_before_anybody_signs_in(browsable: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    opened: list[str] = []
    with pytest.raises(UsageError, match="proxy"):
        browser_sign_in(
            browsable.model_copy(update={"endpoint_url": None}), loopback_callback(browsable), opened.append, patience=1
        )
    assert opened == []
