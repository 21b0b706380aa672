"""The signed-in user: the stored tokens, refreshed before they expire, or a local run's demo user."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import jwt

from client.errors import SignInError
from client.outputs import Outputs
from client.signin import Tokens, refresh, sign_in
from client.store import TokenStore

NEAR_EXPIRY_SECONDS = 120
"""A token that expires within this time is refreshed. The authorizers check it once, when the request arrives."""


_LOG = logging.getLogger(__name__)


class Account:
    """The signed-in user of a stack.

    Args:
        outputs: the stack's.
        store: the token store; by default the stack's own.
    """

    def __init__(self, outputs: Outputs, store: TokenStore | None = None) -> None:
        self._outputs = outputs
        self._store = store or TokenStore(outputs)
        self._tokens: Tokens | None = None
        self._warned = False
        self._lock = asyncio.Lock()

    async def id_token(self) -> str:
        """Return an ID token that is valid for at least `NEAR_EXPIRY_SECONDS`.

        Raises:
            SignInError: when nobody is signed in, or the sign-in has expired.
        """
        async with self._lock:
            if self._tokens is None or _ends_soon(self._tokens.id):
                await asyncio.to_thread(self.tokens)
            assert self._tokens is not None  # noqa: S101 - set by `tokens`
            return self._tokens.id

    def tokens(self) -> Tokens:
        """Return tokens that are valid for at least `NEAR_EXPIRY_SECONDS`. Blocks while Cognito refreshes them.

        Raises:
            SignInError: when nobody is signed in, or the sign-in has expired.
        """
        # The tokens in memory are at least as new as the stored ones, and newer if they could not be stored.
        current = self._tokens or self._store.load()
        if current is None:
            self._tokens = self._store_tokens(demo_user(self._outputs))
        elif _ends_soon(current.id):
            self._tokens = self._refresh(current)
        else:
            self._tokens = current
        return self._tokens

    def _refresh(self, current: Tokens) -> Tokens:
        try:
            return self._store_tokens(refresh(self._outputs, current))
        except SignInError:
            # Another command may have rotated the refresh token in the meantime and stored the new one.
            again = self._store.load()
            if again is None or again == current or _ends_soon(again.id):
                raise
            return again

    def _store_tokens(self, tokens: Tokens) -> Tokens:
        """Store the tokens; on failure only warn, because this process can use them without the store."""
        try:
            self._store.save(tokens)
        except SignInError as error:
            if not self._warned:
                _LOG.warning(
                    "%s The tokens are used but not stored; the next command may have to sign in again.", error
                )
            self._warned = True
        return tokens


def demo_user(outputs: Outputs) -> Tokens:
    """Sign in a local run's demo user.

    Raises:
        SignInError: when the outputs have no demo user (on AWS none does), or the user pool refuses.
    """
    if not (outputs.demo_username and outputs.demo_password):
        raise SignInError(f"Nobody is signed in: run `python -m client login{outputs.option}`.")
    return sign_in(outputs, outputs.demo_username, outputs.demo_password.get_secret_value())


def claims_of(token: str) -> Mapping[str, Any]:
    """Return a token's claims, unverified: only for display and expiry times. Empty if it is not a JWT."""
    try:
        claims: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError):
        return {}
    return claims


def token_fault(token: str, outputs: Outputs) -> str:
    """Return what is wrong with a refused token, judged by its claims; empty if they look right."""
    claims = claims_of(token)
    if not claims:
        return "it is not a JWT; sign in and send the ID token."
    if claims.get("token_use") != "id":
        return f"it is an {claims.get('token_use', 'unknown')} token, and the API requires the ID token."
    if claims.get("iss") != outputs.issuer:
        return "it comes from another user pool; sign in to this stack."
    if claims.get("aud") != outputs.user_pool_client_id:
        return "it was issued to another app client; sign in with this stack's."
    return ""


def _ends_soon(token: str) -> bool:
    ends = claims_of(token).get("exp")
    return not isinstance(ends, int | float) or ends - time.time() < NEAR_EXPIRY_SECONDS
