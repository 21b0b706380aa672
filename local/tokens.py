"""JSON Web Tokens as both checks see them: one signature check, two sets of rules on top of it.

The emulator publishes its keys on loopback while its tokens name the real AWS issuer, so keys are fetched from a
given address and never from one that a token names.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import jwt

REFRESH_SECONDS = 10.0
"""A token with an unknown key id makes the keys be fetched anew, at most this often."""

FETCH_TIMEOUT = aiohttp.ClientTimeout(total=5)


class TokenError(Exception):
    """The token is not valid; the text says why, for a log and not for the caller."""


class ExpiredTokenError(TokenError):
    """The token was valid once."""


class KeysUnavailableError(Exception):
    """The user pool's keys cannot be fetched, so no token can be judged."""


class KeySet:
    """The signing keys of one user pool, fetched when first needed and when an unknown one is named."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK:
        """The key with this id.

        Raises:
            TokenError: when the pool has no such key.
            KeysUnavailableError: when the keys cannot be fetched and the key is not known.
        """
        async with self._lock:
            if key_id not in self._keys and time.monotonic() - self._fetched > REFRESH_SECONDS:
                await self._fetch()
        try:
            return self._keys[key_id]
        except KeyError:
            raise TokenError("the token is signed with a key that the user pool does not have") from None

    async def _fetch(self) -> None:
        try:
            async with self._session.get(self._url, timeout=FETCH_TIMEOUT) as answer:
                answer.raise_for_status()
                keys = jwt.PyJWKSet.from_dict(await answer.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError, ValueError, jwt.PyJWTError) as error:
            raise KeysUnavailableError(f"the user pool's keys cannot be fetched: {type(error).__name__}") from error
        self._keys = {key.key_id: key for key in keys.keys if key.key_id}
        self._fetched = time.monotonic()


async def verify(token: str, *, keys: KeySet, issuer: str) -> Mapping[str, Any]:
    """The claims of a token that this issuer signed with RS256 and that is in force now.

    Raises:
        ExpiredTokenError: when its time is over.
        TokenError: when it is not such a token for any other reason.
        KeysUnavailableError: when it cannot be judged.
    """
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
            raise TokenError("the token is not signed with RS256 and a key id")
        key = await keys.key(header["kid"])
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=issuer,
            options={"require": ["exp", "iat", "iss", "sub", "token_use"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError as error:
        raise ExpiredTokenError("the token has expired") from error
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise TokenError(f"the token is not valid: {type(error).__name__}") from error
    return claims
