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
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

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
    return urlsplit(url).scheme == "http" and urlsplit(url).hostname in _LOOPBACK


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
    with _listen(attempt) as server:
        open_page(attempt.url)
        code = server.wait(patience)
    return _exchange(outputs, attempt, code)


class _Catcher(HTTPServer):
    """Serves the callback address until a code, or a refusal, has come back."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.result: dict[str, str] | None = None
        # Bound to the address, not the name: `localhost` might resolve to another machine's idea of it.
        super().__init__(("127.0.0.1", urlsplit(attempt.callback).port or 80), _Callback)

    def wait(self, patience: float) -> str:
        """The code that came back."""
        deadline = time.monotonic() + patience
        while self.result is None:
            self.timeout = max(0.0, deadline - time.monotonic())
            if self.timeout == 0:
                raise SignInError("Nobody signed in on the page in time: run the command again.")
            self.handle_request()
        if "error" in self.result:
            raise SignInError(
                f"The sign-in page refuses: {self.result.get('error_description', self.result['error'])}."
            )
        return self.result["code"]


class _Callback(BaseHTTPRequestHandler):
    server: _Catcher
    timeout = 5  # a connection that sends nothing must not hold the one thread

    def do_GET(self) -> None:
        """Take the answer to our question, and no other."""
        parts = urlsplit(self.path)
        given = {key: values[0] for key, values in parse_qs(parts.query).items()}
        ours = secrets.compare_digest(given.get("state", "").encode(), self.server.attempt.state.encode())
        if parts.path != (urlsplit(self.server.attempt.callback).path or "/") or not ours:
            self.send_error(404)
            return
        if "code" in given or "error" in given:
            self.server.result = given
        body = _DONE.format("Signed in" if "code" in given else "Not signed in").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's own name for it
        """Say nothing: the address holds the code."""


def _listen(attempt: Attempt) -> _Catcher:
    try:
        return _Catcher(attempt)
    except OSError:
        port = urlsplit(attempt.callback).port
        raise SignInError(
            f"Port {port}, where the sign-in page answers, is in use (by the chat page, perhaps): stop what uses it, "
            "or register another address in identity.callbackUrls and pass it with --callback."
        ) from None


def _exchange(outputs: Outputs, attempt: Attempt, code: str) -> Tokens:
    form = {
        "grant_type": "authorization_code",
        "client_id": outputs.user_pool_client_id,
        "code": code,
        "redirect_uri": attempt.callback,
        "code_verifier": attempt.verifier,
    }
    try:
        answer = httpx.post(f"{outputs.login_url}/oauth2/token", data=form, timeout=15, trust_env=not outputs.is_local)
        given = answer.json()
        if answer.status_code != 200:
            raise SignInError(f"Cognito gives no tokens for the sign-in: {given.get('error', answer.status_code)}.")
        return Tokens(given["id_token"], given["access_token"], given["refresh_token"])
    except httpx.RequestError as error:
        raise SignInError(f"{outputs.login_url} cannot be reached ({reason(error)}): check the network.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SignInError(f"{outputs.login_url} answers with something that is not tokens.") from None
