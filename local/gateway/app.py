"""One request's way through the gateway, in API Gateway's order: route, authorizer, integration."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.gateway.api import Api, Integration, Method
from local.gateway.authorizer import authorize
from local.gateway.mapping import backend_request, resolve
from local.gateway.proxy import BackendRequest, Proxy
from local.gateway.responses import GatewayError, render
from local.network import AddressBook
from local.tokens import KeySet
from local.upstream import client_session

REQUEST_LIMIT_BYTES = 10 * 1024 * 1024


class Gateway:
    """The data plane of one deployed stage; an ASGI application.

    Args:
        api: the stage, from `local.gateway.api.api_from_graph`.
        addresses: where AWS's hosts are on loopback.
        time_scale: AWS's time limits are divided by this.
    """

    def __init__(self, api: Api, addresses: AddressBook, *, time_scale: float = 1.0) -> None:
        self._api = api
        self._addresses = addresses
        self._time_scale = time_scale
        self._keys: dict[str, KeySet] = {}
        self._session: aiohttp.ClientSession
        self._proxy: Proxy

    @asynccontextmanager
    async def running(self, _app: Starlette) -> AsyncIterator[None]:
        """Holds the connections to the backend and to the user pool open; an application lifespan."""
        async with client_session() as self._session:
            self._proxy = Proxy(
                self._session, self._addresses, idle_limit=self._api.idle_limit, time_scale=self._time_scale
            )
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        context = self._context(request)
        try:
            response = await self._answer(request, context)
        except GatewayError as error:
            response = render(error, self._api.responses, context)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request, context: dict[str, str]) -> Response:
        method = self._route(request)
        if method.authorizer is not None:
            sent = request.headers.getlist(method.authorizer.header)
            token = sent[0] if len(sent) == 1 else None
            claims = await authorize(method.authorizer, method.scopes, token, self._keys_of)
            context |= {f"authorizer.claims.{name}": str(value) for name, value in claims.items()}
        if method.integration.type == "MOCK":
            return _mock(method.integration, request, context)
        body = await _read(request)
        headers, query = backend_request(
            request.headers, dict(request.query_params), method.integration.parameters, context
        )
        return await self._proxy.call(method.integration, BackendRequest(headers, query, body), context)

    def _route(self, request: Request) -> Method:
        root = f"/{self._api.stage}"
        path = request.url.path
        below = path.removeprefix(root) if path == root or path.startswith(f"{root}/") else None
        method = self._api.methods.get(below, {}).get(request.method) if below is not None else None
        if method is None:
            raise GatewayError("MISSING_AUTHENTICATION_TOKEN", reason="no such path or method")
        return method

    def _keys_of(self, issuer: str) -> KeySet:
        if issuer not in self._keys:
            url = self._addresses.locate(f"{issuer}/.well-known/jwks.json")
            self._keys[issuer] = KeySet(url, self._session)
        return self._keys[issuer]

    def _context(self, request: Request) -> dict[str, str]:
        trace = request.headers.get("x-amzn-trace-id") or f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
        return {
            "apiId": self._api.id,
            "httpMethod": request.method,
            "identity.sourceIp": request.client.host if request.client else "",
            "identity.userAgent": request.headers.get("user-agent", ""),
            "path": request.url.path,
            "protocol": f"HTTP/{request.scope['http_version']}",
            "requestId": str(uuid.uuid4()),
            "stage": self._api.stage,
            "xrayTraceId": trace,
        }


async def _read(request: Request) -> bytes:
    """The whole request body: API Gateway streams answers, never requests."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > REQUEST_LIMIT_BYTES:
            raise GatewayError("REQUEST_TOO_LARGE", headers={"connection": "close"})
    return bytes(body)


def _mock(integration: Integration, request: Request, context: dict[str, str]) -> Response:
    status, headers = next(iter(integration.responses.items()), (200, {}))
    values = {
        name: resolve(source, request.headers, dict(request.query_params), context) or ""
        for name, source in headers.items()
    }
    return Response(status_code=status, headers={**values, "x-amzn-RequestId": context["requestId"]})


def create_app(api: Api, addresses: AddressBook, *, time_scale: float = 1.0) -> Starlette:
    """The gateway as an application that a server can run."""
    gateway = Gateway(api, addresses, time_scale=time_scale)
    app = Starlette(lifespan=gateway.running)
    app.mount("/", gateway)
    return app
