"""A proxy before the emulator: restricts calls from browsers, and rotates refresh tokens.

The emulator answers every call with ``Access-Control-Allow-Origin: *``, even unsigned administration calls, so any page
in the developer's browser could change the local user pool. The proxy admits a page only if its origin is that of a
callback address, and only to Cognito's calls for users. Requests without ``Origin``, from other programs, are admitted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.planes.user_pool.rotation import ReusedError, Rotation
from local.planes.user_pool.sign_in_rules import SignInRules

AMZ_JSON = b"application/x-amz-json-1.1"
SERVICE = "AWSCognitoIdentityProviderService."

USER_CALLS = frozenset(
    (
        *("AssociateSoftwareToken", "ChangePassword", "ConfirmDevice", "ConfirmForgotPassword", "ConfirmSignUp"),
        *("DeleteUser", "DeleteUserAttributes", "ForgetDevice", "ForgotPassword", "GetTokensFromRefreshToken"),
        *("GetUser", "GetUserAttributeVerificationCode", "GlobalSignOut", "InitiateAuth", "ListDevices"),
        *("ResendConfirmationCode", "RespondToAuthChallenge", "RevokeToken", "SetUserMFAPreference", "SignUp"),
        *("UpdateUserAttributes", "VerifySoftwareToken", "VerifyUserAttribute"),
    )
)
"""Calls that need no AWS credentials
(https://docs.aws.amazon.com/cognito/latest/developerguide/authentication-flows-public-server-side.html)."""

DISCOVERY = "/.well-known/openid-configuration"

PAGE_PATHS = ("/oauth2/", "/login", "/logout", "/signup", "/.well-known/")


class Front:
    """An ASGI application before the emulator's."""

    def __init__(self, emulator: ASGIApp, rotation: Rotation | None = None) -> None:
        self._emulator = emulator
        self._rotation = rotation or Rotation()
        self._rules = SignInRules()
        self._origins: dict[str, frozenset[str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._emulator(scope, receive, send)
            return
        request = Request(scope, receive)
        response = await self._answer(request)
        for name in [name for name in response.headers if name.startswith("access-control-")]:
            del response.headers[name]
        origin = request.headers.get("origin")
        if origin is not None and self._is_allowed(origin, request):
            response.headers.update({"Access-Control-Allow-Origin": origin, "Vary": "Origin"})
            if request.method == "OPTIONS":
                requested = request.headers.get("access-control-request-headers", "")
                response.headers.update(
                    {"Access-Control-Allow-Headers": requested, "Access-Control-Allow-Methods": "GET, POST"}
                )
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin is not None and not self._is_allowed(origin, request):
            return JSONResponse(
                {
                    "message": f"A page of {origin} may not call this: only pages at a callback address of an app "
                    "client may, and no administration."
                },
                403,
            )
        if request.method == "OPTIONS":
            return Response(status_code=204)
        return await self._served(request)

    async def _served(self, request: Request) -> Response:
        """The answer to a caller who is let in."""
        target = request.headers.get("x-amz-target", "")
        if target.startswith(SERVICE):
            return await self._call(request, target.removeprefix(SERVICE))
        if request.method == "POST" and request.url.path == "/oauth2/token":
            return await self._token(request, await _form(request))
        if request.method == "POST" and request.url.path == "/oauth2/revoke":
            return await self._revoke(request, await _form(request))
        response = await self._pass_on(request, await request.body())
        if request.url.path.endswith(DISCOVERY) and response.status_code == 200:
            document = json.loads(bytes(response.body))
            return _with_body(response, document | {"revocation_endpoint": f"{request.base_url}oauth2/revoke"})
        return response

    def _is_allowed(self, origin: str, request: Request) -> bool:
        if origin == f"http://{request.headers.get('host')}":
            return request.url.path.startswith(PAGE_PATHS)  # the login page's own form
        if not any(origin in origins for origins in self._origins.values()):
            return False
        target = request.headers.get("x-amz-target")
        if target is not None:
            signed = request.headers.get("authorization", "").startswith("AWS4-")
            return target.startswith(SERVICE) and target.removeprefix(SERVICE) in USER_CALLS and not signed
        # A preflight does not name its call; the call itself is checked.
        return (
            request.method == "OPTIONS"
            or "/.well-known/" in request.url.path
            or request.url.path.startswith(PAGE_PATHS)
        )

    async def _call(self, request: Request, name: str) -> Response:
        """One call of Cognito's API."""
        try:
            call = json.loads(await request.body())
        except ValueError:
            call = None
        if not isinstance(call, dict):
            return await self._pass_on(request, await request.body())
        client = str(call.get("ClientId", ""))
        sent = dict(call)
        try:
            if name == "GetTokensFromRefreshToken":
                sent["RefreshToken"] = self._rotation.use(client, str(call.get("RefreshToken", "")))
        except ReusedError:
            return _exception("RefreshTokenReuseException", "The refresh token was used before.")
        if name == "RevokeToken":
            sent["Token"] = self._rotation.original(str(call.get("Token", "")))
        refreshes = name == "InitiateAuth" and str(call.get("AuthFlow")).startswith("REFRESH_TOKEN")
        if refreshes and self._rotation.rotates(client):
            return _exception(
                "UnsupportedOperationException", "With refresh token rotation, use GetTokensFromRefreshToken."
            )
        if refusal := self._rules.refusal(name, call):
            return _exception(*refusal)
        response = await self._pass_on(request, json.dumps(sent).encode())
        return self._completed(name, call, response)

    def _completed(self, name: str, call: Mapping[str, Any], response: Response) -> Response:
        """The emulator's response with the fields that it lacks; records a client's rotation and origins."""
        if response.status_code != 200:
            return response
        content = json.loads(bytes(response.body) or b"{}")
        client = content.get("UserPoolClient")
        if name in ("CreateUserPool", "UpdateUserPool"):
            pool = str(call.get("UserPoolId") or content["UserPool"]["Id"])
            self._rules.declare_pool(pool, call.get("AdminCreateUserConfig"))
        if isinstance(client, dict):
            id_ = client["ClientId"]
            if name in ("CreateUserPoolClient", "UpdateUserPoolClient"):
                self._rules.declare_client(id_, str(call["UserPoolId"]), call.get("ExplicitAuthFlows"))
                self._rotation.declare(id_, call.get("RefreshTokenRotation"))
                addresses = [urlsplit(url) for url in client.get("CallbackURLs") or ()]
                self._origins[id_] = frozenset(f"{each.scheme}://{each.netloc}" for each in addresses)
            client["RefreshTokenRotation"] = dict(self._rotation.declared(id_))
        elif name == "GetTokensFromRefreshToken" and self._rotation.rotates(str(call["ClientId"])):
            content["AuthenticationResult"]["RefreshToken"] = self._rotation.replace(str(call["RefreshToken"]))
        else:
            return response
        return _with_body(response, content)

    async def _token(self, request: Request, form: dict[str, str]) -> Response:
        """A call of the token endpoint."""
        client, refreshes = form.get("client_id", ""), form.get("grant_type") == "refresh_token"
        sent = dict(form)
        try:
            if refreshes:
                sent["refresh_token"] = self._rotation.use(client, form.get("refresh_token", ""))
        except ReusedError:
            return JSONResponse({"error": "invalid_grant"}, 400)
        response = await self._pass_on(request, urlencode(sent).encode())
        if not (refreshes and response.status_code == 200 and self._rotation.rotates(client)):
            return response
        replacement = {"refresh_token": self._rotation.replace(form["refresh_token"])}
        return _with_body(response, json.loads(bytes(response.body)) | replacement)

    async def _revoke(self, request: Request, form: Mapping[str, str]) -> Response:
        """A call of the revocation endpoint, which the emulator has only as an operation of Cognito's API.

        Source: https://docs.aws.amazon.com/cognito/latest/developerguide/revocation-endpoint.html
        """
        client, token = form.get("client_id", ""), self._rotation.original(form.get("token", ""))
        if client not in self._origins:
            return JSONResponse({"error": "invalid_client"}, 401)
        if not token:
            return JSONResponse({"error": "invalid_request"}, 400)
        if _use(token) in ("id", "access"):
            return JSONResponse({"error": "unsupported_token_type"}, 400)
        headers = [
            (b"x-amz-target", f"{SERVICE}RevokeToken".encode()),
            (b"content-type", AMZ_JSON),
        ]
        call = Request({**request.scope, "path": "/", "raw_path": b"/", "headers": headers}, request.receive)
        await self._pass_on(call, json.dumps({"ClientId": client, "Token": token}).encode())
        return Response(status_code=200)

    async def _pass_on(self, request: Request, body: bytes) -> Response:
        """The emulator's response to the request with this body."""
        headers = MutableHeaders(raw=list(request.scope["headers"]))
        headers["content-length"] = str(len(body))
        del headers["transfer-encoding"]
        messages: list[Message] = []
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                return await request.receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await self._emulator({**request.scope, "headers": headers.raw}, receive, send)
        start = next(each for each in messages if each["type"] == "http.response.start")
        whole = b"".join(each.get("body", b"") for each in messages if each["type"] == "http.response.body")
        response = Response(whole, start["status"])
        kept = [(name, value) for name, value in start.get("headers", ()) if name.lower() != b"content-length"]
        response.raw_headers = [(name.lower(), value) for name, value in kept]
        response.raw_headers.append((b"content-length", str(len(whole)).encode()))
        return response


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, read as OAuth's endpoints are sent them."""
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))


def _use(token: str) -> str | None:
    """What a token says it is for; None where that cannot be read."""
    try:
        return str(jwt.decode(token, options={"verify_signature": False}).get("token_use"))
    except jwt.PyJWTError:
        return None


def _exception(kind: str, message: str) -> Response:
    """An error response in the form of Cognito's API."""
    return JSONResponse({"__type": kind, "message": message}, 400, {"x-amzn-errortype": kind})


def _with_body(response: Response, body: Mapping[str, Any]) -> Response:
    """The same response with another body."""
    kept = {name: value for name, value in Headers(raw=response.raw_headers).items() if name != "content-length"}
    return Response(json.dumps(body), response.status_code, kept)
