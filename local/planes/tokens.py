"""JSON Web Tokens as both checks see them: one signature check, two sets of rules on top of it.

The emulator publishes its keys on loopback while its tokens name the real AWS issuer, so keys are fetched from a
given address and never from one that a token names.
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
"""A token with an unknown key id makes the keys be fetched anew, at most this often."""

RETRY_SECONDS = 1.0
"""What could not be fetched is not tried again sooner than this, however many ask for it."""

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
    """The token is not valid; the text says why, for a log and not for the caller."""


class ExpiredTokenError(TokenError):
    """The token was valid once."""


class KeysUnavailableError(Exception):
    """The user pool's keys cannot be fetched, so no token can be judged."""


class PublicDocument(Generic[T]):
    """A JSON document of a user pool. All who need it anew share one fetch, which is made at a bounded rate.

    Args:
        url: where it is on AWS.
        session: to fetch it with.
        addresses: where that is on loopback.
        read: what is made of it; a ValueError, KeyError, TypeError or PyJWTError says that it cannot be read.
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
        self._again = 0.0  # time.monotonic() from which on it may be fetched anew

    async def latest(self) -> T:
        """What was fetched last, however long ago; the first fetch otherwise.

        Raises:
            KeysUnavailableError: when it cannot be fetched or read.
        """
        return await self.renewed() if self._latest is None else self._latest

    async def renewed(self) -> T:
        """What a fetch brings that is under way or was made in the last few seconds; a new fetch otherwise.

        Raises:
            KeysUnavailableError: when it cannot be fetched or read.
        """
        fetching = self._fetching
        if fetching is None or (fetching.done() and time.monotonic() > self._again):
            fetching = self._fetching = asyncio.create_task(self._fetch())
        try:
            return await asyncio.shield(fetching)  # one caller's hang-up is not the others'
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
            self._again = time.monotonic() + pause


class KeySet:
    """The signing keys of one user pool, fetched when first needed and when an unknown one is named."""

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
