"""Rules that keep one user pool, one app client and one kind of token for the whole way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from contract import ORIGIN_HEADER, SESSION_HEADER, SESSION_ID_LENGTH, Kind
from policy.graph import ORIGIN_VARIABLE, SESSION_VARIABLE, Declared, Stack, by_itself, of_agentcore

PINNED = re.compile(r"\^([A-Za-z0-9]+)\$")
TOKEN = "method.request.header.Authorization"  # noqa: S105 - where the token is, not one
SENDS_PASSWORD = {
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "USER_PASSWORD_AUTH",
    "ADMIN_NO_SRP_AUTH",
}
JWT = ("authorizerConfiguration", "customJwtAuthorizer")


@by_itself
def methods(method: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 1, first check."""
    verb = method.get("httpMethod")
    if verb == "OPTIONS":
        return
    if method.get("authorization") == "COGNITO_USER_POOLS" and method.get("authorizationScopes"):
        yield (
            "The method names scopes, so the gateway takes access tokens and refuses ID tokens, while the runtime "
            "does the opposite: every request fails. Remove authorizationScopes."
        )
    elif method.get("authorization") != "COGNITO_USER_POOLS" or method.get("authorizerId") is None:
        yield (
            f"{verb} asks for no token, so anybody who finds the address talks to the agent at your cost. Declare "
            "authorization COGNITO_USER_POOLS and the authorizer's id."
        )


@by_itself
def methods_declared(api: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 1: a method declared in an OpenAPI document is not a resource, so the other rules cannot see it."""
    if api.get("body"):
        yield (
            "The API's methods are read from a document that nothing here looks into, so one without a token goes "
            "unseen. Remove body, and declare each as a Method."
        )


@by_itself
def preflight(integration: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 1: what asks for no token answers by itself."""
    if integration.get("httpMethod") == "OPTIONS" and integration.get("type") != "MOCK":
        yield (
            "OPTIONS asks for no token, since a browser sends none with it, and here it is passed on: anybody reaches "
            "what is behind the API. Use an integration of type MOCK."
        )


@by_itself
def authorizer_kind(authorizer: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 1: Cognito's own check, of the header that is passed on."""
    kind, source = authorizer.get("type"), authorizer.get("identitySource")
    if kind != "COGNITO_USER_POOLS":
        yield (
            f"The authorizer's type is {kind or 'TOKEN'}: a function decides who gets in, and nothing here guards it. "
            "Declare type COGNITO_USER_POOLS."
        )
    if source not in (None, "", TOKEN):
        yield (
            f"The authorizer checks {source}, while the runtime is sent the Authorization header: what the gateway let "
            f"in the runtime refuses. Use {TOKEN}."
        )


@by_itself
def client_pinned(authorizer: Declared, _stack: Stack) -> Iterator[str]:
    """The gateway's authorizer takes every client's tokens unless it is told which."""
    if not PINNED.fullmatch(authorizer.get("identityValidationExpression") or ""):
        yield (
            "The authorizer takes tokens that were made for any app client of the pool, so another application's "
            "users get in. Declare identityValidationExpression as ^<client id>$."
        )


@by_itself
def runtime_checks(runtime: Declared, _stack: Stack) -> Iterator[str]:
    """Mechanism 1, second check: a token, by the audience that an ID token has."""
    if not runtime.get(*JWT):
        yield (
            "The runtime asks for AWS credentials instead of a token, which the gateway cannot pass on: every request "
            "fails with 403. Declare customJwtAuthorizer with the pool's discovery URL."
        )
        return
    if runtime.get(*JWT, "allowedClients") or runtime.get(*JWT, "allowedScopes"):
        yield (
            "The runtime compares client_id or scopes, which an ID token does not have: every request fails with 401. "
            "Use allowedAudiences alone."
        )
    if not runtime.get(*JWT, "allowedAudiences"):
        yield (
            "The runtime compares no audience, so tokens of the pool's other app clients open it. Declare "
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
                "Gateway and runtime read the keys of different user pools: a token that one takes the other refuses. "
                "Use one pool's ARN and discovery URL."
            )
        # A pattern that pins no client is another rule's affair.
        pinned = PINNED.fullmatch(authorizer.get("identityValidationExpression") or "")
        if pinned and [pinned[1]] != list(runtime.get(*JWT, "allowedAudiences")):
            yield (
                "Gateway and runtime expect tokens of different app clients: every request fails with 401. Use the "
                "same client id in identityValidationExpression and allowedAudiences."
            )


@by_itself
@of_agentcore
def token_mapped(integration: Declared, _stack: Stack) -> Iterator[str]:
    """The gateway sends the token that it checked."""
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
"""Where the session's id comes from, by what the agent is told of it."""


def _sessions_from(stack: Stack) -> set[str]:
    """Where the stack's agents expect a session's id to come from."""
    return {each.get("environmentVariables", SESSION_VARIABLE) or "user" for each in stack.all(Kind.RUNTIME)}


@of_agentcore
def session_mapped(integration: Declared, stack: Stack) -> Iterator[str]:
    """Who may name a session may ask for another user's microVM; the agent refuses what it does not expect."""
    key = f"integration.request.header.{SESSION_HEADER}"
    mapped = integration.get("requestParameters", key)
    for expected in _sessions_from(stack):
        right = SESSION_SOURCES.get(expected)
        if right is None or mapped != right:
            yield (
                f"The session's id comes from {mapped or 'nowhere'}, while the agent is told {expected}: it refuses "
                "every question, or takes sessions that a caller has made up. Map "
                f"{key} to {right or ' or '.join(SESSION_SOURCES.values())}, and tell the agent the same "
                f"({SESSION_VARIABLE})."
            )


def thread_required(model: Declared, stack: Stack) -> Iterator[str]:
    """Where the body names the session, one that AgentCore refuses must not come as far as that."""
    if "thread" not in _sessions_from(stack):
        return
    schema = json.loads(model.get("schema"))
    thread = schema.get("properties", {}).get("threadId", {})
    if "threadId" not in schema.get("required", ()) or thread.get("minLength", 0) < SESSION_ID_LENGTH[0]:
        yield (
            "The session's id is the body's threadId, and the request model lets bodies without one, or with one that "
            "AgentCore refuses, wake a microVM. Declare threadId as required, of "
            f"{SESSION_ID_LENGTH[0]} characters at least."
        )


@by_itself
def headers_forwarded(runtime: Declared, _stack: Stack) -> Iterator[str]:
    """AgentCore strips the token after checking it, and every custom header, unless it is listed."""
    listed = {header.lower() for header in runtime.get("requestHeaderConfiguration", "requestHeaderAllowlists") or ()}
    if "authorization" not in listed:
        yield (
            "The agent is not told who is asking, so it can keep no two users' sessions apart and refuses every "
            "request. Put Authorization on requestHeaderAllowlists."
        )
    if runtime.peek("environmentVariables", ORIGIN_VARIABLE, unknown=None) and ORIGIN_HEADER.lower() not in listed:
        yield (
            "The agent asks for the origin secret and AgentCore strips its header, so it refuses every request. Put "
            f"{ORIGIN_HEADER} on requestHeaderAllowlists."
        )


@by_itself
def public_client(client: Declared, _stack: Stack) -> Iterator[str]:
    """A browser cannot keep a client secret, and no request should carry a password."""
    if client.get("generateSecret"):
        yield (
            "The app client has a secret, which every browser and command line would have to carry: sign-in fails for "
            "all of them. Set generateSecret to false."
        )
    if SENDS_PASSWORD & set(client.get("explicitAuthFlows") or ()):
        yield (
            "The app client lets passwords travel in requests, where logs and proxies can read them. Use "
            "ALLOW_USER_SRP_AUTH."
        )
