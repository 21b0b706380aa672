"""Verifies JSON Web Tokens: the signature check that the gateway's and the runtime's authorizers share.

The emulator publishes its keys on loopback while its tokens name the real AWS issuer, so keys are fetched from a
configured address, never from one that a token names.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import aiohttp
import jwt

from local.planes.addresses import AddressBook, UnknownHostError

REFRESH_SECONDS = 10.0
"""For a token with an unknown key id the keys are fetched again, at most this often."""

RETRY_SECONDS = 1.0
"""A failed fetch is not repeated sooner than this, however many callers need the document."""

FETCH_TIMEOUT = aiohttp.ClientTimeout(total=5)

T = TypeVar("T")

_UNREADABLE = (
    AttributeError,
    aiohttp.ClientError,
    jwt.PyJWTError,
    KeyError,
    TimeoutError,
    TypeError,
    UnknownHostError,
    ValueError,
)


class TokenError(Exception):
    """The token is not valid; the message says why, for a log and not for the caller."""


class ExpiredTokenError(TokenError):
    """The token has expired."""


class KeysUnavailableError(Exception):
    """The user pool's keys cannot be fetched, so no token can be verified."""


class PublicDocument(Generic[T]):
    """A JSON document of a user pool. Concurrent callers share one fetch; the rate of fetches is limited.

    Args:
        url: its address on AWS.
        session: to fetch it with.
        addresses: the loopback addresses of AWS's hosts.
        read: converts the JSON; raises a ValueError, KeyError, TypeError or PyJWTError if it cannot.
    """

    def __init__(
        self, url: str, session: aiohttp.ClientSession, addresses: AddressBook, read: Callable[[Any], T]
    ) -> None:
        self._url = url
        self._session = session
        self._addresses = addresses
        self._read = read
        self._latest: T | None = None
        self._fetching: asyncio.Task[T] | None = None
        self._not_before = 0.0  # time.monotonic() of the earliest next fetch

    async def latest(self) -> T:
        """The document as last fetched, however long ago; it is fetched if it never was.

        Raises:
            KeysUnavailableError: when it cannot be fetched or read.
        """
        return await self.renewed() if self._latest is None else self._latest

    async def renewed(self) -> T:
        """The document from a fetch that is running or was made in the last few seconds; otherwise from a new fetch.

        Raises:
            KeysUnavailableError: when it cannot be fetched or read.
        """
        fetching = self._fetching
        if fetching is None or (fetching.done() and time.monotonic() > self._not_before):
            fetching = self._fetching = asyncio.create_task(self._fetch())
        try:
            return await asyncio.shield(fetching)  # a caller that hangs up must not cancel it for the others
        except _UNREADABLE as error:
            raise KeysUnavailableError(f"{self._url} cannot be fetched: {type(error).__name__}") from error

    async def _fetch(self) -> T:
        pause = RETRY_SECONDS
        try:
            async with self._session.get(self._addresses.locate(self._url), timeout=FETCH_TIMEOUT) as answer:
                answer.raise_for_status()
                self._latest = self._read(await answer.json(content_type=None))
            pause = REFRESH_SECONDS
            return self._latest
        finally:
            self._not_before = time.monotonic() + pause


class KeySet:
    """The signing keys of one user pool, fetched when first needed and again for an unknown key id."""

    def __init__(self, url: str, session: aiohttp.ClientSession, addresses: AddressBook) -> None:
        self._document = PublicDocument(url, session, addresses, _keys_by_id)

    async def key(self, key_id: str) -> jwt.PyJWK:
        """The key with this id.

        Raises:
            TokenError: when the pool has no such key.
            KeysUnavailableError: when the keys cannot be fetched and the key is not known.
        """
        known = await self._document.latest()
        key = known.get(key_id) or (await self._document.renewed()).get(key_id)
        if key is None:
            raise TokenError("the token is signed with a key that the user pool does not have")
        return key


def _keys_by_id(document: Any) -> dict[str, jwt.PyJWK]:
    return {key.key_id: key for key in jwt.PyJWKSet.from_dict(document).keys if key.key_id}


async def verify(token: str, *, keys: KeySet, issuer: str) -> Mapping[str, Any]:
    """The claims of a token that this issuer signed with RS256 and that has not expired.

    Raises:
        ExpiredTokenError: when it has expired.
        TokenError: when it is invalid for any other reason.
        KeysUnavailableError: when the keys cannot be fetched.
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
