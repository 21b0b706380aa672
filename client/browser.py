"""Sign in through the user pool's own pages: authorization code with PKCE, the code caught on loopback.

The password is typed into Cognito's page and never seen here, and whatever that page does (MFA, passkeys, another
identity provider) works. Cognito compares the redirect address letter by letter, so the port is the one that the
stack's ``identity.callbackUrls`` name
(https://docs.aws.amazon.com/cognito/latest/developerguide/using-pkce-in-authorization-code.html).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from client.connection import usable_proxies
from client.errors import SignInError, reason
from client.outputs import Outputs
from client.signin import Tokens

PATIENCE_SECONDS = 300.0
"""How long the browser may take; Cognito's own page gives up after about as long."""

_LOOPBACK = ("localhost", "127.0.0.1")
_DONE = "<!doctype html><meta charset=utf-8><title>Signed in</title><p>{}. You can close this page.</p>"


class Attempt(NamedTuple):
    """One sign-in through the browser: what is sent, and what must come back.

    Attributes:
        url: the address for the browser.
        state: comes back with the code; anything else was not asked for by us.
        verifier: proves to the token endpoint that the code is ours.
    """

    url: str
    callback: str
    state: str
    verifier: str


def loopback_callback(outputs: Outputs) -> str:
    """The stack's callback address that this machine can listen on.

    Raises:
        SignInError: when the stack registers none, so that Cognito would refuse any.
    """
    local = next((url for url in outputs.callback_urls if _is_loopback(url)), None)
    if local is None:
        registered = ", ".join(outputs.callback_urls) or "none"
        raise SignInError(
            f"The sign-in page cannot come back to this machine, for none of the stack's callback addresses "
            f"({registered}) is on it: add http://localhost:PORT/ to identity.callbackUrls and run `pulumi up`, or "
            "sign in without --browser."
        )
    return local


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port checks it, and 0 is none that a browser could come back to.
        return parts.scheme == "http" and parts.hostname in _LOOPBACK and parts.port != 0
    except ValueError:
        return False


def _port(callback: str) -> int:
    return urlsplit(callback).port or 80


def begin(outputs: Outputs, callback: str) -> Attempt:
    """A new attempt.

    Raises:
        SignInError: when the stack has no sign-in page, or the callback is not on this machine.
    """
    if not outputs.login_url:
        raise SignInError("The stack has no sign-in page (output loginUrl): sign in without --browser.")
    if not _is_loopback(callback):
        raise SignInError(f"{callback} is not on this machine: pass --callback http://localhost:PORT/ as registered.")
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    state = secrets.token_urlsafe(24)
    query = {
        "response_type": "code",
        "client_id": outputs.user_pool_client_id,
        "redirect_uri": callback,
        "scope": "openid email profile",
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    return Attempt(f"{outputs.login_url}/oauth2/authorize?{urlencode(query)}", callback, state, verifier)


def browser_sign_in(
    outputs: Outputs, callback: str, open_page: Callable[[str], object], *, patience: float = PATIENCE_SECONDS
) -> Tokens:
    """Open the sign-in page, wait for its answer on loopback, and fetch the tokens.

    Args:
        outputs: the stack's.
        callback: one of the app client's callback addresses, on loopback.
        open_page: shows an address to the user, such as `webbrowser.open`.
        patience: seconds to wait for the user.

    Raises:
        SignInError: when the port is taken, the user takes too long, or Cognito refuses.
    """
    attempt = begin(outputs, callback)
    with usable_proxies():  # told before the user has signed in, for the code that comes back is good once
        http = httpx.Client(timeout=15, trust_env=not outputs.is_local)
    with http, _listen(attempt) as server:
        open_page(attempt.url)
        code = server.wait(patience)
        return _exchange(http, outputs, attempt, code)


class _Catcher(ThreadingHTTPServer):
    """Serves the callback address until a code, or a refusal, has come back.

    A thread for each connection: whoever holds one open, on this machine anybody can, keeps neither the browser's
    answer nor the end of our patience away.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.result: dict[str, str] = {}
        self.answered = threading.Event()
        # Bound to the address, not the name: `localhost` might resolve to another machine's idea of it.
        super().__init__(("127.0.0.1", _port(attempt.callback)), _Callback)

    def wait(self, patience: float) -> str:
        """The code that came back."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            if not self.answered.wait(patience):
                raise SignInError("Nobody signed in on the page in time: run the command again.")
        finally:
            self.shutdown()
        if "error" in self.result:
            raise SignInError(
                f"The sign-in page refuses: {self.result.get('error_description', self.result['error'])}."
            )
        return self.result["code"]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a broken connection and a malformed request: neither is the browser's redirect."""


class _Callback(BaseHTTPRequestHandler):
    server: _Catcher
    timeout = 5  # a connection that sends nothing is not kept

    def do_GET(self) -> None:
        """Take the answer to our question, and no other."""
        parts = urlsplit(self.path)
        given = {key: values[0] for key, values in parse_qs(parts.query).items()}
        ours = secrets.compare_digest(given.get("state", "").encode(), self.server.attempt.state.encode())
        if parts.path != (urlsplit(self.server.attempt.callback).path or "/") or not ours:
            self.send_error(404)
            return
        body = _DONE.format("Signed in" if "code" in given else "Not signed in").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Referrer-Policy", "no-referrer")
        try:
            self.end_headers()
            self.wfile.write(body)
        finally:  # also when the browser has not waited for the page
            if "code" in given or "error" in given:
                self.server.result = given
                self.server.answered.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's own name for it
        """Say nothing: the address holds the code."""


def _listen(attempt: Attempt) -> _Catcher:
    try:
        return _Catcher(attempt)
    except OSError as error:
        raise SignInError(
            f"Port {_port(attempt.callback)}, where the sign-in page answers, cannot be had ({error.strerror}): stop "
            "what uses it (the chat page, perhaps), or register another address in identity.callbackUrls and pass it "
            "with --callback."
        ) from None


def _exchange(http: httpx.Client, outputs: Outputs, attempt: Attempt, code: str) -> Tokens:
    form = {
        "grant_type": "authorization_code",
        "client_id": outputs.user_pool_client_id,
        "code": code,
        "redirect_uri": attempt.callback,
        "code_verifier": attempt.verifier,
    }
    try:
        answer = http.post(f"{outputs.login_url}/oauth2/token", data=form)
        given = answer.json()
        if answer.status_code != 200:
            raise SignInError(f"Cognito gives no tokens for the sign-in: {given.get('error', answer.status_code)}.")
        return Tokens(given["id_token"], given["access_token"], given["refresh_token"])
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise SignInError(f"{outputs.login_url} cannot be reached ({reason(error)}): check the network.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SignInError(f"{outputs.login_url} answers with something that is not tokens.") from None
