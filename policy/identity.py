"""Rules that gateway, runtime and agent use the same user pool, app client and kind of token."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from contract import ORIGIN_HEADER, SESSION_HEADER, SESSION_ID_LENGTH, Kind
from policy.graph import ORIGIN_VARIABLE, SESSION_VARIABLE, Declared, Stack, of_agentcore, single_resource

PINNED = re.compile(r"\^([A-Za-z0-9]+)\$")
TOKEN = "method.request.header.Authorization"  # noqa: S105 - the name of the header, not a token
SENDS_PASSWORD = {
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "USER_PASSWORD_AUTH",
    "ADMIN_NO_SRP_AUTH",
}
JWT = ("authorizerConfiguration", "customJwtAuthorizer")


@single_resource
def methods(method: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 1, first check."""
    verb = method.get("httpMethod")
    if verb == "OPTIONS":
        return
    if method.get("authorization") == "COGNITO_USER_POOLS" and method.get("authorizationScopes"):
        yield (
            "The method has scopes, so the gateway accepts access tokens and refuses ID tokens, while the runtime "
            "does the opposite: every request fails. Remove authorizationScopes."
        )
    elif method.get("authorization") != "COGNITO_USER_POOLS" or method.get("authorizerId") is None:
        yield (
            f"{verb} requires no token, so anyone who finds the address can use the agent at your cost. Declare "
            "authorization COGNITO_USER_POOLS and the authorizer's id."
        )


@single_resource
def methods_declared(api: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 1: a method declared in an OpenAPI document is not a resource, so the other rules do not check it."""
    if api.get("body"):
        yield (
            "The API's methods are in a document that no rule checks, so one that requires no token would not be "
            "found. Remove body, and declare each as a Method."
        )


@single_resource
def preflight(integration: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 1: a method that requires no token must not call a backend."""
    if integration.get("httpMethod") == "OPTIONS" and integration.get("type") != "MOCK":
        yield (
            "OPTIONS requires no token, because a browser sends none with a preflight, and here it calls a backend: "
            "anyone can reach it. Use an integration of type MOCK."
        )


@single_resource
def authorizer_kind(authorizer: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 1: the Cognito authorizer, on the header that the runtime gets."""
    kind, source = authorizer.get("type"), authorizer.get("identitySource")
    if kind != "COGNITO_USER_POOLS":
        yield (
            f"The authorizer's type is {kind or 'TOKEN'}: a function decides who may call, and no rule checks it. "
            "Declare type COGNITO_USER_POOLS."
        )
    if source not in (None, "", TOKEN):
        yield (
            f"The authorizer checks {source}, while the runtime gets the Authorization header, so it refuses requests "
            f"that the gateway accepted. Use {TOKEN}."
        )


@single_resource
def client_pinned(authorizer: Declared, _stack: Stack) -> Iterator[str]:
    """The gateway's authorizer accepts tokens of every app client unless one is pinned."""
    if not PINNED.fullmatch(authorizer.get("identityValidationExpression") or ""):
        yield (
            "The authorizer accepts tokens of any app client of the pool, so another application's users can call the "
            "API. Declare identityValidationExpression as ^<client id>$."
        )


@single_resource
def runtime_checks(runtime: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 1, second check: a token, by the audience that an ID token has."""
    if not runtime.get(*JWT):
        yield (
            "The runtime requires AWS credentials instead of a token, which the gateway cannot pass on: every request "
            "fails with 403. Declare customJwtAuthorizer with the pool's discovery URL."
        )
        return
    if runtime.get(*JWT, "allowedClients") or runtime.get(*JWT, "allowedScopes"):
        yield (
            "The runtime compares client_id or scopes, which an ID token does not have: every request fails with 401. "
            "Use only allowedAudiences."
        )
    if not runtime.get(*JWT, "allowedAudiences"):
        yield (
            "The runtime compares no audience, so it accepts tokens of the pool's other app clients. Declare "
            "allowedAudiences with the app client's id."
        )


def runtime_agrees(runtime: Declared, stack: Stack) -> Iterator[str]:
    """Mechanism 1, second check: same pool, same client."""
    if not runtime.get(*JWT, "allowedAudiences"):
        return
    pool = runtime.get(*JWT, "discoveryUrl").removesuffix("/.well-known/openid-configuration").rpartition("/")[2]
    for authorizer in stack.all(Kind.AUTHORIZER):
        if [arn.rpartition("/")[2] for arn in authorizer.get("providerArns") or ()] != [pool]:
            yield (
                "Gateway and runtime read the keys of different user pools: one refuses a token that the other "
                "accepts. Use one pool's ARN and discovery URL."
            )
        # An expression that pins no client is reported by `client_pinned`.
        pinned = PINNED.fullmatch(authorizer.get("identityValidationExpression") or "")
        if pinned and [pinned[1]] != list(runtime.get(*JWT, "allowedAudiences")):
            yield (
                "Gateway and runtime expect tokens of different app clients: every request fails with 401. Use the "
                "same client id in identityValidationExpression and allowedAudiences."
            )


@single_resource
@of_agentcore
def token_mapped(integration: Declared, _stack: Stack) -> Iterator[str]:
    """The gateway must pass on the token that it checked."""
    mapped = integration.peek("requestParameters", "integration.request.header.Authorization", unknown=TOKEN)
    if mapped != TOKEN:
        yield (
            "The integration does not send the token that the gateway checked, so the runtime refuses every request "
            f"with 401 or sees another's. Map integration.request.header.Authorization to {TOKEN}."
        )


SESSION_SOURCES = {
    "user": "context.authorizer.claims.sub",
    "thread": "method.request.body.threadId",
    "header": f"method.request.header.{SESSION_HEADER}",
}
"""The source of the session id, by the value of the agent's variable."""


def _sessions_from(stack: Stack) -> set[str]:
    """The sources of the session id that the stack's agents expect."""
    return {each.get("environmentVariables", SESSION_VARIABLE) or "user" for each in stack.all(Kind.RUNTIME)}


@of_agentcore
def session_mapped(integration: Declared, stack: Stack) -> Iterator[str]:
    """A caller who may choose the session id could reach another user's microVM; the agent expects one source."""
    key = f"integration.request.header.{SESSION_HEADER}"
    mapped = integration.get("requestParameters", key)
    for expected in _sessions_from(stack):
        right = SESSION_SOURCES.get(expected)
        if right is None or mapped != right:
            yield (
                f"The session id comes from {mapped or 'no source'}, while the agent expects {expected}: it refuses "
                f"every request, or accepts sessions that a caller has invented. Map {key} to "
                f"{right or ' or '.join(SESSION_SOURCES.values())}, and set {SESSION_VARIABLE} to match."
            )


def thread_required(model: Declared, stack: Stack) -> Iterator[str]:
    """If the session id is in the body, the request model must refuse one that AgentCore would refuse."""
    if "thread" not in _sessions_from(stack):
        return
    schema = json.loads(model.get("schema"))
    thread = schema.get("properties", {}).get("threadId", {})
    if "threadId" not in schema.get("required", ()) or thread.get("minLength", 0) < SESSION_ID_LENGTH[0]:
        yield (
            "The session id is the body's threadId, but the request model accepts bodies without one, or with one that "
            "AgentCore refuses. Declare threadId as required, of at least "
            f"{SESSION_ID_LENGTH[0]} characters."
        )


@single_resource
def headers_forwarded(runtime: Declared, _stack: Stack) -> Iterator[str]:
    """AgentCore removes the token after its check, and every custom header, unless it is listed."""
    listed = {header.lower() for header in runtime.get("requestHeaderConfiguration", "requestHeaderAllowlists") or ()}
    if "authorization" not in listed:
        yield (
            "The agent does not get the token, so it cannot tell users apart and refuses every request. Add "
            "Authorization to requestHeaderAllowlists."
        )
    if runtime.peek("environmentVariables", ORIGIN_VARIABLE, unknown=None) and ORIGIN_HEADER.lower() not in listed:
        yield (
            "The agent requires the origin secret, but AgentCore removes its header, so it refuses every request. Add "
            f"{ORIGIN_HEADER} to requestHeaderAllowlists."
        )


@single_resource
def public_client(client: Declared, _stack: Stack) -> Iterator[str]:
    """A browser cannot keep a client secret, and no request should carry a password."""
    if client.get("generateSecret"):
        yield (
            "The app client has a secret, which browsers and command lines cannot keep, so their sign-in fails. Set "
            "generateSecret to false."
        )
    if SENDS_PASSWORD & set(client.get("explicitAuthFlows") or ()):
        yield (
            "The app client allows passwords in requests, where logs and proxies can read them. Use "
            "ALLOW_USER_SRP_AUTH."
        )
