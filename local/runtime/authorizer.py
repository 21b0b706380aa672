"""The second check: the runtime's own JWT authorizer."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import aiohttp

from local.network import AddressBook
from local.runtime.config import JwtAuthorizer, RuntimeConfig
from local.runtime.errors import RuntimeRefusedError
from local.tokens import FETCH_TIMEOUT, KeySet, KeysUnavailableError, TokenError, verify


class Discovery:
    """What an authorizer's discovery document says: the issuer and its keys; fetched when first needed."""

    def __init__(self, session: aiohttp.ClientSession, addresses: AddressBook) -> None:
        self._session = session
        self._addresses = addresses
        self._found: tuple[str, KeySet] | None = None

    async def issuer_and_keys(self, url: str) -> tuple[str, KeySet]:
        """The issuer and its keys, from the document at ``url``.

        Raises:
            KeysUnavailableError: when the document cannot be fetched or read.
        """
        if self._found is None:
            try:
                async with self._session.get(self._addresses.locate(url), timeout=FETCH_TIMEOUT) as answer:
                    answer.raise_for_status()
                    document: dict[str, Any] = await answer.json(content_type=None)
                self._found = (
                    str(document["issuer"]),
                    KeySet(self._addresses.locate(str(document["jwks_uri"])), self._session),
                )
            except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
                raise KeysUnavailableError(f"no discovery document: {type(error).__name__}") from error
        return self._found


async def check_token(config: RuntimeConfig, discovery: Discovery, header: str | None) -> None:
    """Refuse a caller without a valid token.

    Raises:
        RuntimeRefusedError: when the token is missing, malformed or not what the authorizer lists.
    """
    challenge = {"WWW-Authenticate": f'Bearer resource_metadata="{_metadata_url(config)}"'}
    if config.authorizer is None:
        raise RuntimeRefusedError("AccessDeniedException", "Authorization method mismatch")
    if header is None or not header.startswith("Bearer "):
        raise RuntimeRefusedError("UnauthorizedException", "Missing Authentication Token", challenge)
    try:
        issuer, keys = await discovery.issuer_and_keys(config.authorizer.discovery_url)
        claims = await verify(header.removeprefix("Bearer ").strip(), keys=keys, issuer=issuer)
        _check_claims(config.authorizer, claims)
    except TokenError as error:
        raise RuntimeRefusedError("UnauthorizedException", "Invalid or expired token", challenge) from error
    except KeysUnavailableError as error:
        raise RuntimeRefusedError("InternalServerException", "The token cannot be checked now") from error


def _check_claims(authorizer: JwtAuthorizer, claims: Any) -> None:
    """All that is configured must match
    (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-oauth.html)."""
    audience = claims.get("aud")
    audiences = {audience} if isinstance(audience, str) else set(audience or ())
    if authorizer.audiences and not authorizer.audiences & audiences:
        raise TokenError("the audience is not allowed")
    if authorizer.clients and claims.get("client_id") not in authorizer.clients:
        raise TokenError("the client is not allowed")
    if authorizer.scopes and not authorizer.scopes & set(str(claims.get("scope", "")).split()):
        raise TokenError("the scope is not allowed")


def _metadata_url(config: RuntimeConfig) -> str:
    region = config.arn.split(":")[3]
    return (
        f"https://bedrock-agentcore.{region}.amazonaws.com/runtimes/{quote(config.arn, safe='')}"
        "/invocations/.well-known/oauth-protected-resource?qualifier=DEFAULT"
    )
