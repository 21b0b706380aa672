"""The second check of the token: the runtime's own JWT authorizer."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import aiohttp

from local.planes.addresses import AddressBook
from local.planes.runtime.config import JwtAuthorizer, RuntimeConfig
from local.planes.runtime.errors import RuntimeRefusedError
from local.planes.tokens import KeySet, KeysUnavailableError, PublicDocument, TokenError, verify


class Issuer:
    """The issuer that the authorizer's discovery document names; the document is fetched when first needed."""

    def __init__(self, url: str, session: aiohttp.ClientSession, addresses: AddressBook) -> None:
        def read(document: Any) -> tuple[str, KeySet]:
            return str(document["issuer"]), KeySet(str(document["jwks_uri"]), session, addresses)

        self._document = PublicDocument(url, session, addresses, read)

    async def name_and_keys(self) -> tuple[str, KeySet]:
        """The issuer's name and its keys.

        Raises:
            KeysUnavailableError: when the document cannot be fetched or read.
        """
        return await self._document.latest()


async def check_token(config: RuntimeConfig, issuer: Issuer | None, header: str | None) -> None:
    """Refuse a caller without a valid token.

    Args:
        config: the runtime.
        issuer: the issuer whose tokens it accepts; None for a runtime that accepts signed AWS requests.
        header: the value of ``Authorization``; None when the caller sent none, or more than one.

    Raises:
        RuntimeRefusedError: when the token is missing, malformed or not what the authorizer lists.
    """
    signed = header is not None and header.startswith("AWS4-HMAC-")
    if config.authorizer is None or issuer is None or signed:
        # A runtime accepts either signatures or tokens: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-oauth.html
        raise RuntimeRefusedError("AccessDeniedException", "Authorization method mismatch")
    challenge = {"WWW-Authenticate": f'Bearer resource_metadata="{_metadata_url(config)}"'}
    if header is None or not header.startswith("Bearer "):
        raise RuntimeRefusedError("UnauthorizedException", "Missing Authentication Token", challenge)
    try:
        name, keys = await issuer.name_and_keys()
        claims = await verify(header.removeprefix("Bearer ").strip(), keys=keys, issuer=name)
        _check_claims(config.authorizer, claims)
    except TokenError as error:
        raise RuntimeRefusedError("UnauthorizedException", "Invalid or expired token", challenge) from error
    except KeysUnavailableError as error:
        raise RuntimeRefusedError("InternalServerException", "The token cannot be checked now") from error


def _check_claims(authorizer: JwtAuthorizer, claims: Any) -> None:
    """Everything that is configured must match
    (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-oauth.html)."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if authorizer.audiences and not any(one in audiences for one in authorizer.audiences):
        raise TokenError("the audience is not allowed")
    if authorizer.clients and str(claims.get("client_id")) not in authorizer.clients:
        raise TokenError("the client is not allowed")
    if authorizer.scopes and not authorizer.scopes & set(str(claims.get("scope", "")).split()):
        raise TokenError("the scope is not allowed")
    for custom in authorizer.custom_claims:
        if not custom.holds(claims.get(custom.name)):
            raise TokenError(f"the claim {custom.name} does not have a required value")


def _metadata_url(config: RuntimeConfig) -> str:
    region = config.arn.split(":")[3]
    return (
        f"https://bedrock-agentcore.{region}.amazonaws.com/runtimes/{quote(config.arn, safe='')}"
        "/invocations/.well-known/oauth-protected-resource?qualifier=DEFAULT"
    )
