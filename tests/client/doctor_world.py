"""A stack that is well, in one process behind one loopback socket, for the doctor to look at; a test breaks one thing.

It answers as API Gateway, the web ACL, AgentCore and the agent do, and only as far as the doctor asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from client.doctor.check import Check, CheckContext, Result
from client.doctor.checks.runtime_policy import OPERATIONS
from client.doctor.deployment import DeploymentUnavailable, Firewall, Invocation, Throttle
from client.doctor.runner import examine
from client.outputs import Outputs
from client.signin import Tokens
from contract import ORIGIN_HEADER
from local.planes.gateway.throttle import Bucket
from tests import loopback

REGION, ACCOUNT, POOL, CLIENT, RUNTIME = "us-east-1", "123456789012", "us-east-1_pool", "client-1", "agent-1"
ISSUER = f"https://cognito-idp.{REGION}.amazonaws.com/{POOL}"
PAGE = "https://page.example"
PARAMETERS = {
    f"integration.request.header.{ORIGIN_HEADER}": "'secret'",
    "integration.request.querystring.qualifier": "'DEFAULT'",
    "integration.request.querystring.accountId": f"'{ACCOUNT}'",
}
HANG = b""
"""An answer that never begins."""


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def token(self) -> str | None:
        return self.headers["authorization"].removeprefix("Bearer ") if "authorization" in self.headers else None

    @property
    def of_api(self) -> bool:
        return self.path == "/dev/invocations"


def reply(status: int, body: bytes | str = b"", **headers: str) -> bytes:
    body = body.encode() if isinstance(body, str) else body
    fields = {"content-length": str(len(body)), "connection": "close", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body


def refusal(status: int, kind: str, error: str, **headers: str) -> bytes:
    """As the gateway refuses: with its request id and the name of the error."""
    body = json.dumps({"message": "no", "type": kind})
    named = {"x_amzn_requestid": "r-1", "x_amzn_errortype": error}
    return reply(status, body, content_type="application/json", **named, **headers)


def by_web_acl(status: int, message: str) -> bytes:
    return reply(status, json.dumps({"message": message}), content_type="application/json")


def by_runtime(status: int, error: str, **headers: str) -> bytes:
    return reply(status, '{"message":"no"}', x_amzn_errortype=error, x_amzn_requestid="r-1", **headers)


CHALLENGE = by_runtime(401, "UnauthorizedException", x_amzn_remapped_www_authenticate="Bearer")


def stream(*events: Mapping[str, Any], **headers: str) -> bytes:
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return reply(200, body, content_type="text/event-stream", x_amzn_requestid="r-1", **headers)


def said(**headers: str) -> bytes:
    word = {"type": "TEXT_MESSAGE_CONTENT", "delta": "ready"}
    return stream({"type": "RUN_STARTED"}, word, {"type": "RUN_FINISHED"}, **headers)


def failed(code: str, **headers: str) -> bytes:
    return stream({"type": "RUN_ERROR", "code": code, "message": "no"}, **headers)


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def token(use: str = "id", client: str = CLIENT, user: str = "me", kid: str = "k-1") -> str:
    claims: dict[str, Any] = {"iss": ISSUER, "token_use": use, "sub": user}
    claims |= {"aud": client} if use == "id" else {"client_id": client}
    now = int(time.time())
    return jwt.encode({**claims, "iat": now, "exp": now + 3600}, key(), "RS256", headers={"kid": kid})


@dataclasses.dataclass
class Deployed:
    """What `Deployment` reads: the same for the resource and for the stage, unless a test says otherwise."""

    parameters: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(PARAMETERS))
    undeployed: Mapping[str, str] | None = None
    uri: str = f"https://bedrock-agentcore.{REGION}.amazonaws.com/runtimes/{RUNTIME}/invocations"
    bucket: Throttle | None = dataclasses.field(default_factory=lambda: Throttle(50, 5))
    origin: str = PAGE
    alarm_count: int | None = 3
    line: Mapping[str, Any] | None = dataclasses.field(
        default_factory=lambda: dict.fromkeys(
            ("requestId", "status", "responseTransferMode", "timeToAllHeaders", "timeToFirstContent"), "1"
        )
    )

    def stage(self) -> Invocation:
        return self._invocation(self.parameters)

    def resource(self) -> Invocation:
        return self._invocation(self.parameters if self.undeployed is None else self.undeployed)

    def throttle(self) -> Throttle | None:
        return self.bucket

    def firewall(self) -> Firewall | None:
        raise DeploymentUnavailable("Nobody may read it.")

    def preflight_origin(self) -> str:
        return self.origin

    def log_line(self, request_id: str) -> Mapping[str, Any] | None:
        return self.line

    def ping(self) -> Mapping[str, Any]:
        raise DeploymentUnavailable("Nobody may ask it.")

    def alarms(self) -> int:
        if self.alarm_count is None:
            raise DeploymentUnavailable("Nobody may read them.")
        return self.alarm_count

    def _invocation(self, parameters: Mapping[str, str]) -> Invocation:
        hidden = {name: SecretStr(value) for name, value in parameters.items()}
        return Invocation("STREAM", 900_000, self.uri, "COGNITO_USER_POOLS", hidden, private=False)


class World:
    """The stack. What is an attribute here is what a test may break."""

    def __init__(self) -> None:
        self.deployment = Deployed()
        self.changes: dict[str, Any] = {}
        """To the outputs."""
        self.answer: Callable[[Request], bytes | None] = lambda _request: None
        """In place of the answer that is right; None leaves it."""
        self.bucket: Bucket | None = Bucket(50, 5)
        self.refusal_headers = {"access_control_allow_origin": PAGE}
        self.preflight_headers = "authorization,content-type,x-amzn-bedrock-agentcore-runtime-session-id"
        self.clock_offset = 0.0
        self.tokens: Tokens | Exception = Tokens(token(), token("access"), "refresh")
        self.signed_in = 0
        self.slow = True
        self._sessions: dict[str, str] = {}
        self._open: set[asyncio.Task[None]] = set()

    async def look(self, *checks: Check, keep_going: bool = True) -> list[Result]:
        """What the doctor says of it."""
        async with self._serving() as url, loopback.AsyncClient() as http:
            context = CheckContext(self._outputs(url), self.deployment, http, self._sign_in, slow=self.slow)
            return await examine(context, checks, keep_going=keep_going)

    def results(self, *checks: Check, keep_going: bool = True) -> dict[str, Result]:
        """The same, by name."""
        return {one.name: one for one in asyncio.run(self.look(*checks, keep_going=keep_going))}

    async def _sign_in(self) -> Tokens:
        self.signed_in += 1
        if isinstance(self.tokens, Exception):
            raise self.tokens
        return self.tokens

    def _outputs(self, url: str) -> Outputs:
        given = {
            "region": REGION,
            "apiUrl": f"{url}/dev",
            "invokeUrl": f"{url}/dev/invocations",
            "userPoolId": POOL,
            "userPoolClientId": CLIENT,
            "callbackUrls": [],
            "issuer": ISSUER,
            "discoveryUrl": f"{url}/{POOL}/.well-known/openid-configuration",
            "loginUrl": f"{url}/login",
            "runtimeArn": f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}:runtime/{RUNTIME}",
            "runtimeId": RUNTIME,
            "runtimeUrl": f"{url}/runtimes/{RUNTIME}/invocations?qualifier=DEFAULT&accountId={ACCOUNT}",
            "qualifier": "DEFAULT",
            "webAclArn": f"arn:aws:wafv2:{REGION}:{ACCOUNT}:regional/webacl/name/id",
            "restApiId": "api1",
            "stageName": "dev",
            "responseTransferMode": "STREAM",
            "timeoutSeconds": 900,
            "idleTimeoutSeconds": 1,
            "heartbeatSeconds": 0.5,
            "stackName": "agent-stream-dev",
            "bypassProtection": "origin-secret",
            "deniedActions": [operation.action for operation in OPERATIONS],
            "alarms": True,
            "endpointUrl": url,
            "timeScale": 1000,
        }
        kept = {name: value for name, value in {**given, **self.changes}.items() if value is not None}
        return Outputs.model_validate(kept)

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[str]:
        def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._open.add(asyncio.create_task(self._connection(reader, writer)))

        self._open.clear()
        server = await asyncio.start_server(opened, "127.0.0.1", 0)
        try:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self.url
        finally:
            server.close()
            await asyncio.gather(*self._open)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            method, target, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            path, _, query = target.partition("?")
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            request = Request(method, path, query, headers, body)
            given = self.answer(request)
            answer = self._right(request) if given is None else given
            if answer == HANG:
                await reader.read()
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def _right(self, request: Request) -> bytes:
        if request.path.endswith("/openid-configuration"):
            return reply(200, json.dumps({"issuer": ISSUER, "jwks_uri": f"{self.url}/keys"}))
        if request.path == "/keys":
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key().public_key()))
            return reply(200, json.dumps({"keys": [{**public, "kid": "k-1", "use": "sig", "alg": "RS256"}]}))
        return self._api(request) if request.of_api else self._runtime(request)

    def _api(self, request: Request) -> bytes:
        if request.method == "GET":
            date = {"date": formatdate(time.time() + self.clock_offset, usegmt=True)}
            return refusal(403, "MISSING_AUTHENTICATION_TOKEN", "MissingAuthenticationTokenException", **date)
        if request.method == "OPTIONS":
            allowed = {"access_control_allow_origin": PAGE, "access_control_allow_headers": self.preflight_headers}
            return reply(200, x_amzn_requestid="r-1", **allowed)
        if len(request.body) > 64 * 1024:
            return by_web_acl(413, "The request body is larger than 64 KB.")
        if "script" in request.query:
            return refusal(403, "WAF_FILTERED", "ForbiddenException")
        return self._invocation(request)

    def _invocation(self, request: Request) -> bytes:
        claims = claims_of(request)
        if claims.get("token_use") != "id" or claims.get("aud") != CLIENT:
            return refusal(401, "UNAUTHORIZED", "UnauthorizedException", **self.refusal_headers)
        if self.bucket is not None and not self.bucket.take():
            return refusal(429, "THROTTLED", "TooManyRequestsException")
        if request.body == b"{}":
            return refusal(400, "BAD_REQUEST_BODY", "BadRequestException")
        session = request.headers["x-amzn-bedrock-agentcore-runtime-session-id"]
        if self._sessions.setdefault(session, claims["sub"]) != claims["sub"]:
            return failed("SESSION_FORBIDDEN")
        return said(access_control_allow_origin=PAGE)

    def _runtime(self, request: Request) -> bytes:
        if not request.path.endswith("/invocations"):
            return by_runtime(403, "AccessDeniedException")
        if claims_of(request).get("aud") != CLIENT:
            return by_runtime(401, "UnauthorizedException", www_authenticate="Bearer")
        return failed("ORIGIN_FORBIDDEN")


def claims_of(request: Request) -> dict[str, Any]:
    try:
        return dict(jwt.decode(request.token or "", options={"verify_signature": False}))
    except jwt.PyJWTError:
        return {}


class DisposableUsers:
    """In place of `client.doctor.disposable_users.DisposableUsers`, which makes them in a user pool."""

    def __init__(self, _outputs: Outputs) -> None:
        pass

    def another_user(self) -> Tokens:
        return Tokens(token(user="stranger"), token("access", user="stranger"), "")

    def token_of_another_client(self) -> Tokens:
        return Tokens(token(client="client-2"), token("access", client="client-2"), "")

    def remove(self) -> None:
        pass
