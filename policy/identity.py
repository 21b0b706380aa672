"""Rules that keep one user pool, one app client and one kind of token for the whole way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policy.graph import AUTHORIZER, CLIENT, METHOD, RUNTIME, UNKNOWN, Declared, Stack, known

PINNED = re.compile(r"\^[A-Za-z0-9]+\$")
SENDS_PASSWORD = {
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "USER_PASSWORD_AUTH",
    "ADMIN_NO_SRP_AUTH",
}


def methods(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """Mechanism 1, first check."""
    for each in stack.all(METHOD):
        if each.get("httpMethod") in ("OPTIONS", UNKNOWN):
            continue
        if each.get("authorization") not in ("COGNITO_USER_POOLS", UNKNOWN) or each.get("authorizerId") is None:
            yield (
                each,
                (
                    f"{each.get('httpMethod')} asks for no token, so anybody who finds the address talks to the "
                    "agent at your cost. Declare authorization COGNITO_USER_POOLS and the authorizer's id."
                ),
            )
        elif each.get("authorizationScopes"):
            yield (
                each,
                (
                    "The method names scopes, so the gateway takes access tokens and refuses ID tokens, while the "
                    "runtime does the opposite: every request fails. Remove authorizationScopes."
                ),
            )


def client_pinned(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """The gateway's authorizer takes every client's tokens unless it is told which."""
    for each in stack.all(AUTHORIZER):
        pattern = each.get("identityValidationExpression")
        if pattern != UNKNOWN and not (isinstance(pattern, str) and PINNED.fullmatch(pattern)):
            yield (
                each,
                (
                    "The authorizer takes tokens that were made for any app client of the pool, so another "
                    "application's users get in. Declare identityValidationExpression as ^<client id>$."
                ),
            )


def runtime_agrees(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """Mechanism 1, second check: same pool, same client, by the audience that an ID token has."""
    authorizers = list(stack.all(AUTHORIZER))
    for each in stack.all(RUNTIME):
        check = each.get("authorizerConfiguration", "customJwtAuthorizer")
        if check == UNKNOWN:
            continue
        if not check:
            yield (
                each,
                (
                    "The runtime asks for AWS credentials instead of a token, which the gateway cannot pass on: every "
                    "request fails with 403. Declare customJwtAuthorizer with the pool's discovery URL."
                ),
            )
            continue
        if check.get("allowedClients") or check.get("allowedScopes"):
            yield (
                each,
                (
                    "The runtime compares client_id or scopes, which an ID token does not have: every request fails "
                    "with 401. Use allowedAudiences alone."
                ),
            )
        yield from _same_pool(each, authorizers)


def _same_pool(runtime: Declared, authorizers: list[Declared]) -> Iterator[tuple[Declared, str]]:
    check = ("authorizerConfiguration", "customJwtAuthorizer")
    discovery, audiences = runtime.get(*check, "discoveryUrl"), runtime.get(*check, "allowedAudiences")
    if not (known(discovery) and known(audiences)):
        if audiences is None:
            yield (
                runtime,
                (
                    "The runtime compares no audience, so tokens of the pool's other app clients open it. Declare "
                    "allowedAudiences with the app client's id."
                ),
            )
        return
    for each in authorizers:
        pools, pattern = each.get("providerArns"), each.get("identityValidationExpression")
        if known(pools) and [str(arn).rpartition("/")[2] for arn in pools] != [_pool_of(str(discovery))]:
            yield (
                runtime,
                (
                    "Gateway and runtime read the keys of different user pools: a token that one takes the other "
                    "refuses. Use one pool's ARN and discovery URL."
                ),
            )
        # A pattern that pins no client is another rule's affair.
        if PINNED.fullmatch(str(pattern)) and [str(pattern).strip("^$")] != list(audiences):
            yield (
                runtime,
                (
                    "Gateway and runtime expect tokens of different app clients: every request fails with 401. Use "
                    "the same client id in identityValidationExpression and allowedAudiences."
                ),
            )


def _pool_of(discovery_url: str) -> str:
    return discovery_url.removesuffix("/.well-known/openid-configuration").rpartition("/")[2]


def token_forwarded(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """AgentCore strips the token after checking it, unless it is listed."""
    for each in stack.all(RUNTIME):
        listed = each.get("requestHeaderConfiguration", "requestHeaderAllowlists")
        if listed == UNKNOWN:
            continue
        if "authorization" not in {str(header).lower() for header in listed or ()}:
            yield (
                each,
                (
                    "The agent is not told who is asking, so it can keep no two users' sessions apart and refuses "
                    "every request. Put Authorization on requestHeaderAllowlists."
                ),
            )


def public_client(stack: Stack) -> Iterator[tuple[Declared, str]]:
    """A secret in a browser is none, and a password belongs in no request."""
    for each in stack.all(CLIENT):
        if each.get("generateSecret") is True:
            yield (
                each,
                (
                    "The app client has a secret, which every browser and command line would have to carry: sign-in "
                    "fails for all of them. Set generateSecret to false."
                ),
            )
        flows = each.get("explicitAuthFlows")
        if isinstance(flows, list) and SENDS_PASSWORD & set(flows):
            yield (
                each,
                (
                    "The app client lets passwords travel in requests, where logs and proxies can read them. Use "
                    "ALLOW_USER_SRP_AUTH."
                ),
            )
