"""Signs in through the user pool's login pages: authorization code with PKCE, redirected to a loopback address.

The user types the password into Cognito's page, so MFA, passkeys and other identity providers work, and this process
never sees the password. Cognito requires an exact match of the redirect address, so its port is the one in the stack's
``identity.callbackUrls``
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
"""How long to wait for the user; Cognito's page expires after about the same time."""

_LOOPBACK = ("localhost", "127.0.0.1")
_DONE = "<!doctype html><meta charset=utf-8><title>Signed in</title><p>{}. You can close this page.</p>"


class AuthorizationRequest(NamedTuple):
    """One authorization request.

    Attributes:
        url: the address to open in the browser.
        state: must be returned with the code, or the redirect does not belong to this request.
        verifier: the PKCE code verifier, for the token endpoint.
    """

    url: str
    callback: str
    state: str
    verifier: str


def loopback_callback(outputs: Outputs) -> str:
    """Return the stack's first callback address on loopback.

    Raises:
        SignInError: when the stack registers none; Cognito refuses unregistered addresses.
    """
    local = next((url for url in outputs.callback_urls if _is_loopback(url)), None)
    if local is None:
        registered = ", ".join(outputs.callback_urls) or "none"
        raise SignInError(
            f"None of the stack's callback addresses ({registered}) is on this machine, so the sign-in page cannot "
            "return to it: add http://localhost:PORT/ to identity.callbackUrls and run `pulumi up`, or sign in without "
            "--browser."
        )
    return local


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # `port` raises ValueError if it is invalid; a browser cannot connect to port 0.
        return parts.scheme == "http" and parts.hostname in _LOOPBACK and parts.port != 0
    except ValueError:
        return False


def _port(callback: str) -> int:
    return urlsplit(callback).port or 80


def begin(outputs: Outputs, callback: str) -> AuthorizationRequest:
    """Return a new authorization request.

    Raises:
        SignInError: when the stack has no sign-in page, or the callback is not on loopback.
    """
    if not outputs.login_url:
        raise SignInError("The stack has no sign-in page (output loginUrl): sign in without --browser.")
    if not _is_loopback(callback):
        raise SignInError(f"{callback} is not on this machine: pass a registered --callback http://localhost:PORT/.")
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
    return AuthorizationRequest(f"{outputs.login_url}/oauth2/authorize?{urlencode(query)}", callback, state, verifier)


def browser_sign_in(
    outputs: Outputs, callback: str, open_page: Callable[[str], object], *, patience: float = PATIENCE_SECONDS
) -> Tokens:
    """Open the sign-in page, wait for its redirect to loopback, and fetch the tokens.

    Args:
        outputs: the stack's.
        callback: one of the app client's callback addresses, on loopback.
        open_page: opens an address for the user, such as `webbrowser.open`.
        patience: seconds to wait for the user.

    Raises:
        SignInError: when the port is in use, the user takes too long, or Cognito refuses.
    """
    request = begin(outputs, callback)
    with usable_proxies():  # checked before the user signs in: the authorization code can be used only once
        http = httpx.Client(timeout=15, trust_env=not outputs.is_local)
    with http, _listen(request) as server:
        open_page(request.url)
        code = server.wait(patience)
        return _exchange(http, outputs, request, code)


class _CallbackServer(ThreadingHTTPServer):
    """Serves the callback address until the browser returns a code or an error.

    Each connection has its own thread, so that an idle connection of another local process blocks neither the browser's
    redirect nor the timeout.
    """

    def __init__(self, request: AuthorizationRequest) -> None:
        self.request = request
        self.result: dict[str, str] = {}
        self.answered = threading.Event()
        # Bound to the address, not the name: `localhost` could resolve to something else.
        super().__init__(("127.0.0.1", _port(request.callback)), _CallbackHandler)

    def wait(self, patience: float) -> str:
        """Wait for the redirect, and return its code."""
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
        """Ignore broken connections and malformed requests: they are not the browser's redirect."""


class _CallbackHandler(BaseHTTPRequestHandler):
    server: _CallbackServer
    timeout = 5  # closes a connection that sends nothing

    def do_GET(self) -> None:
        """Accept the redirect that has this request's state; answer anything else with 404."""
        parts = urlsplit(self.path)
        given = {key: values[0] for key, values in parse_qs(parts.query).items()}
        ours = secrets.compare_digest(given.get("state", "").encode(), self.server.request.state.encode())
        if parts.path != (urlsplit(self.server.request.callback).path or "/") or not ours:
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
        finally:  # also when the browser closed the connection early
            if "code" in given or "error" in given:
                self.server.result = given
                self.server.answered.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing: the request's address contains the code."""


def _listen(request: AuthorizationRequest) -> _CallbackServer:
    try:
        return _CallbackServer(request)
    except OSError as error:
        raise SignInError(
            f"Cannot listen on port {_port(request.callback)} for the sign-in page's redirect ({error.strerror}): stop "
            "the program that uses it (perhaps the chat page), or register another address in identity.callbackUrls "
            "and pass it with --callback."
        ) from None


def _exchange(http: httpx.Client, outputs: Outputs, request: AuthorizationRequest, code: str) -> Tokens:
    form = {
        "grant_type": "authorization_code",
        "client_id": outputs.user_pool_client_id,
        "code": code,
        "redirect_uri": request.callback,
        "code_verifier": request.verifier,
    }
    try:
        answer = http.post(f"{outputs.login_url}/oauth2/token", data=form)
        given = answer.json()
        if answer.status_code != 200:
            raise SignInError(f"Cognito refuses to issue tokens: {given.get('error', answer.status_code)}.")
        return Tokens(given["id_token"], given["access_token"], given["refresh_token"])
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise SignInError(f"{outputs.login_url} cannot be reached ({reason(error)}): check the network.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SignInError(f"The response of {outputs.login_url} has no tokens: check the output loginUrl.") from None
