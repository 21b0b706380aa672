"""Who asks: the stored sign-in, refreshed when it is about to end, or a local run's demo user."""

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
"""A token this close to its end is refreshed first. The authorizers look at it once, when the request arrives."""


_LOG = logging.getLogger(__name__)


class Account:
    """The signed-in user of a stack.

    Args:
        outputs: the stack's.
        store: where the tokens are kept; the usual place when left out.
    """

    def __init__(self, outputs: Outputs, store: TokenStore | None = None) -> None:
        self._outputs = outputs
        self._store = store or TokenStore(outputs)
        self._tokens: Tokens | None = None
        self._warned = False
        self._lock = asyncio.Lock()

    async def id_token(self) -> str:
        """An ID token that is in force for a while yet.

        Raises:
            SignInError: when nobody is signed in, or the sign-in has ended.
        """
        async with self._lock:
            if self._tokens is None or _ends_soon(self._tokens.id):
                await asyncio.to_thread(self.tokens)
            assert self._tokens is not None  # noqa: S101 - `tokens` returns with some or raises
            return self._tokens.id

    def tokens(self) -> Tokens:
        """Tokens that are in force for a while yet; may ask Cognito, which takes a moment.

        Raises:
            SignInError: when nobody is signed in, or the sign-in has ended.
        """
        # What is in memory is never older than what is stored, and newer where it could not be stored.
        held = self._tokens or self._store.load()
        if held is None:
            self._tokens = self._keep(demo_user(self._outputs))
        elif _ends_soon(held.id):
            self._tokens = self._refresh(held)
        else:
            self._tokens = held
        return self._tokens

    def _refresh(self, held: Tokens) -> Tokens:
        try:
            return self._keep(refresh(self._outputs, held))
        except SignInError:
            # Another command may have rotated the token between our reading and our asking.
            again = self._store.load()
            if again is None or again == held or _ends_soon(again.id):
                raise
            return again

    def _keep(self, tokens: Tokens) -> Tokens:
        """Store tokens, so far as that is possible: they are good without it, for as long as this process lasts."""
        try:
            self._store.save(tokens)
        except SignInError as error:
            if not self._warned:
                _LOG.warning("%s Going on without; the next command may have to sign in again.", error)
            self._warned = True
        return tokens


def demo_user(outputs: Outputs) -> Tokens:
    """A local run's demo user, signed in.

    Raises:
        SignInError: when the outputs name none, as those of a real stack, or the user pool refuses.
    """
    if not (outputs.demo_username and outputs.demo_password):
        raise SignInError(f"Nobody is signed in: run `python -m client login{outputs.option}`.")
    return sign_in(outputs, outputs.demo_username, outputs.demo_password.get_secret_value())


def claims_of(token: str) -> Mapping[str, Any]:
    """A token's claims, unverified: for showing and for timing, never for trusting. Empty when it is not a token."""
    try:
        claims: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError):
        return {}
    return claims


def token_fault(token: str, outputs: Outputs) -> str:
    """What is wrong with a token that was refused, as far as its claims tell; empty when they tell nothing."""
    claims = claims_of(token)
    if not claims:
        return "it is not a JWT; sign in and send the ID token."
    if claims.get("token_use") != "id":
        return f"it is an {claims.get('token_use', 'unknown')} token, and the API takes the ID token."
    if claims.get("iss") != outputs.issuer:
        return "it comes from another user pool; sign in to this stack."
    if claims.get("aud") != outputs.user_pool_client_id:
        return "it was made for another app client; sign in with this stack's."
    return ""


def _ends_soon(token: str) -> bool:
    ends = claims_of(token).get("exp")
    return not isinstance(ends, int | float) or ends - time.time() < NEAR_EXPIRY_SECONDS
