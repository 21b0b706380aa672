"""The first check of the token: the Cognito user pool authorizer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from cachetools import TTLCache

from local.planes.gateway.api import Authorizer
from local.planes.gateway.responses import GatewayError
from local.planes.tokens import ExpiredTokenError, KeySet, KeysUnavailableError, TokenError, verify

Claims = Mapping[str, Any]

CACHED_TOKENS = 10_000
"""Tokens in the cache; beyond it the least recently used one is dropped, and checked again when it is next sent."""


class AuthorizerCache:
    """Checks tokens, and accepts one again without a check for the authorizer's declared cache time.

    AWS documents the time, and not whether a token that expires meanwhile is still accepted; here it is, which is the
    worse case. A refusal is never cached.

    Args:
        keys_of: returns the keys of an issuer.
    """

    def __init__(self, keys_of: Callable[[str], KeySet]) -> None:
        self._keys_of = keys_of
        self._cached: dict[Authorizer, TTLCache[tuple[str, tuple[str, ...]], Claims]] = {}

    async def authorize(self, authorizer: Authorizer, scopes: tuple[str, ...], header: str | None) -> Claims:
        """The claims of the caller's token.

        Args:
            authorizer: the method's authorizer.
            scopes: the method's authorization scopes.
            header: the value of the authorizer's header; None when the caller sent none, or more than one.

        Raises:
            GatewayError: when the token is refused, or cannot be checked.
        """
        if not header:
            raise GatewayError("UNAUTHORIZED", reason="no token")
        # The gateway accepts a token with and without `Bearer`; the runtime behind it only with.
        token = header.removeprefix("Bearer ").strip()
        cached = self._cached.setdefault(authorizer, TTLCache(CACHED_TOKENS, ttl=authorizer.cache_seconds))
        claims = cached.get((token, scopes))
        if claims is None:
            claims = cached[token, scopes] = await _check(authorizer, scopes, token, self._keys_of)
        return claims


def claim_text(value: Any) -> str:
    """A claim as a ``context`` variable: a list joined by commas, other values as JSON."""
    if isinstance(value, list):
        return ",".join(map(claim_text, value))
    return value if isinstance(value, str) else json.dumps(value)


async def _check(
    authorizer: Authorizer, scopes: tuple[str, ...], token: str, keys_of: Callable[[str], KeySet]
) -> Claims:
    """The claims of a token that the authorizer accepts.

    Without scopes on the method the token must be an ID token whose audience matches; with scopes, an access token
    that carries one of them
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-enable-cognito-user-pool.html).
    """
    try:
        issuer = _issuer(token, authorizer)
        claims = await verify(token, keys=keys_of(issuer), issuer=issuer)
        _check_kind(claims, authorizer, scopes)
    except ExpiredTokenError as error:
        raise GatewayError("UNAUTHORIZED", "The incoming token has expired", reason=str(error)) from error
    except TokenError as error:
        raise GatewayError("UNAUTHORIZED", reason=str(error)) from error
    except KeysUnavailableError as error:
        raise GatewayError("AUTHORIZER_FAILURE", reason=str(error)) from error
    return claims


def _issuer(token: str, authorizer: Authorizer) -> str:
    """The token's ``iss``, if it is one of the authorizer's pools; the signature is checked with that pool's keys."""
    try:
        claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise TokenError(f"not a token: {type(error).__name__}") from error
    if claimed not in authorizer.issuers:
        raise TokenError("the token comes from another issuer")
    return str(claimed)


def _check_kind(claims: Claims, authorizer: Authorizer, scopes: tuple[str, ...]) -> None:
    if scopes:
        granted = str(claims.get("scope", "")).split()
        if claims.get("token_use") != "access" or not set(scopes) & set(granted):
            raise TokenError("the method requires an access token with one of its scopes")
        return
    if claims.get("token_use") != "id":
        raise TokenError("an access token was sent where the ID token is needed")
    audience = claims.get("aud")
    if authorizer.audience and not (isinstance(audience, str) and authorizer.audience.search(audience)):
        raise TokenError("the token was made for another app client")
