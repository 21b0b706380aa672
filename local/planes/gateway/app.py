"""Handles one request in API Gateway's order.

Web ACL, route, authorizer, API key, throttle, validator, header mapping, integration.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from contract import BODY_LIMIT_BYTES
from local.planes.addresses import AddressBook
from local.planes.gateway.access_log import AccessLog, Exchange
from local.planes.gateway.api import Api, Authorizer, Integration, Method
from local.planes.gateway.authorizer import AuthorizerCache, claim_text
from local.planes.gateway.firewall import BlockedError
from local.planes.gateway.inspected import Inspected
from local.planes.gateway.mapping import Caller, backend_request, header_value, resolve
from local.planes.gateway.page import PageServer
from local.planes.gateway.proxy import BackendRequest, Proxy
from local.planes.gateway.responses import GatewayError, render
from local.planes.tokens import KeySet
from local.planes.traces import TraceFile, own_span
from local.planes.upstream import client_session, read_body, unless_disconnected


class Gateway:
    """The data plane of one deployed stage; an ASGI application.

    Args:
        api: the stage, from `local.planes.gateway.api.api_from_graph`.
        addresses: the loopback addresses of AWS's hosts.
        log: the access log.
        traces: the file for the gateway's own spans.
    """

    def __init__(self, api: Api, addresses: AddressBook, log: AccessLog, traces: TraceFile | None = None) -> None:
        self._api = api
        self._addresses = addresses
        self._log = log
        self._traces = traces or TraceFile(None)
        self._keys: dict[str, KeySet] = {}
        self._authorizers = AuthorizerCache(self._keys_of)
        self._session: aiohttp.ClientSession
        self._proxy: Proxy

    @asynccontextmanager
    async def running(self, _app: object) -> AsyncIterator[None]:
        """The application's lifespan: holds the connections to the backend and to the user pool."""
        async with client_session() as self._session:
            self._proxy = Proxy(self._session, self._addresses, idle_limit=self._api.idle_limit)
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and write its line in the access log."""
        request = Request(scope, receive)
        exchange = Exchange(self._context(request))
        try:
            response = await self._respond(request, exchange)
            await response(scope, receive, exchange.watching(send))
        except ClientDisconnect:
            pass
        finally:
            self._log.write(exchange)

    async def _respond(self, request: Request, exchange: Exchange) -> Response:
        context = exchange.context
        try:
            body = await _read(request, self._api.header_limit)
            return await unless_disconnected(request.receive, self._answer(request, body, exchange))
        except BlockedError as error:
            context["wafResponseCode"] = "WAF_BLOCK"
            context["waf.status"] = str(error.answer.status if error.answer else error.status)
            if error.answer is None:
                return self._refuse(error, request, context)
            headers = {"x-amzn-RequestId": context["requestId"], **error.answer.headers}
            return Response(error.answer.body, error.answer.status, headers, error.answer.media_type)
        except GatewayError as error:
            return self._refuse(error, request, context)

    def _refuse(self, error: GatewayError, request: Request, context: dict[str, str]) -> Response:
        context |= {"error.message": error.message, "error.responseType": error.type, "error.reason": error.reason}
        if error.type == "BAD_REQUEST_BODY":
            context["error.validationErrorString"] = error.reason
        return render(error, self._api.responses, Caller(request.headers, request.query_params, context))

    async def _answer(self, request: Request, body: bytes, exchange: Exchange) -> Response:
        context = exchange.context
        self._inspect(request, body, exchange)
        path, method = self._route(request)
        context["resourcePath"] = path
        if method.authorizer is not None:
            await self._authorize(request, method.authorizer, method.scopes, exchange)
        plan = self._api.throttle.identify(request.headers.get("x-api-key")) if method.api_key_required else None
        if plan is not None:
            context["identity.apiKeyId"] = plan.key_id
        self._api.throttle.admit(path, request.method, plan)
        if method.rules is not None:
            # In a thread: a large body takes seconds to check, which would stop every stream.
            await asyncio.to_thread(method.rules.check, request.headers, request.query_params, body)
        caller = Caller(request.headers, request.query_params, context, body)
        if method.integration.type == "MOCK":
            return _mock(method.integration, caller)
        headers, query = backend_request(caller, method.integration.parameters)
        backend = BackendRequest(request.method, headers, query, body)
        self._traces.write(own_span("API Gateway", context["xrayTraceId"], exchange.seconds))
        return await self._proxy.call(method.integration, backend, exchange)

    def _inspect(self, request: Request, body: bytes, exchange: Exchange) -> None:
        acl = self._api.firewall
        if acl is None:
            return
        inspected = Inspected(
            method=request.method,
            path=request.scope["raw_path"].decode("latin-1"),
            query=request.scope["query_string"].decode("latin-1"),
            headers=request.headers,
            body=body[: acl.inspection_limit],
            oversize=len(body) > acl.inspection_limit,
            address=exchange.context["identity.sourceIp"],
        )
        acl.check(inspected)
        exchange.context |= {"waf.status": "200", "waf.latency": exchange.elapsed(), "wafResponseCode": "WAF_ALLOW"}

    def _route(self, request: Request) -> tuple[str, Method]:
        root = f"/{self._api.stage}"
        path: str = request.scope["path"]
        below = path.removeprefix(root) if path == root or path.startswith(f"{root}/") else None
        methods = self._api.methods.get(below, {}) if below is not None else {}
        method = methods.get(request.method) or methods.get("ANY")
        if below is None or method is None:
            raise GatewayError("MISSING_AUTHENTICATION_TOKEN", reason="no such path or method")
        return below, method

    async def _authorize(
        self, request: Request, authorizer: Authorizer, scopes: tuple[str, ...], exchange: Exchange
    ) -> None:
        context, sent = exchange.context, request.headers.getlist(authorizer.header)
        try:
            claims = await self._authorizers.authorize(authorizer, scopes, sent[0] if len(sent) == 1 else None)
        except GatewayError as error:
            context |= {"authorizer.status": str(error.status), "authorizer.error": error.reason}
            raise
        context |= {"authorizer.status": "200", "authorizer.latency": exchange.elapsed()}
        context |= {f"authorizer.claims.{name}": claim_text(value) for name, value in claims.items()}

    def _keys_of(self, issuer: str) -> KeySet:
        if issuer not in self._keys:
            self._keys[issuer] = KeySet(f"{issuer}/.well-known/jwks.json", self._session, self._addresses)
        return self._keys[issuer]

    def _context(self, request: Request) -> dict[str, str]:
        trace = request.headers.get("x-amzn-trace-id") or f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
        now = time.time()
        return {
            "accountId": self._api.account,
            "apiId": self._api.id,
            "domainName": self._api.domain,
            "domainPrefix": self._api.id,
            "extendedRequestId": secrets.token_urlsafe(11),
            "httpMethod": request.method,
            "identity.sourceIp": request.client.host if request.client else "",
            "identity.userAgent": request.headers.get("user-agent", "-"),
            "path": request.scope["path"],
            "protocol": f"HTTP/{request.scope['http_version']}",
            "requestId": str(uuid.uuid4()),
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "requestTimeEpoch": str(round(now * 1000)),
            "stage": self._api.stage,
            "xrayTraceId": trace,
        }


async def _read(request: Request, header_limit: int) -> bytes:
    """The whole request body: API Gateway streams responses, never requests."""
    if sum(len(name) + len(value) for name, value in request.headers.raw) > header_limit:
        raise GatewayError("HEADERS_TOO_LARGE", headers={"connection": "close"})
    too_large = GatewayError("REQUEST_TOO_LARGE", headers={"connection": "close"})
    return await read_body(request, BODY_LIMIT_BYTES, too_large)


def _mock(integration: Integration, caller: Caller) -> Response:
    status, headers = next(iter(integration.responses.items()), (200, {}))
    values = {name: header_value(resolve(source, caller) or "") for name, source in headers.items()}
    return Response(status_code=status, headers={**values, "x-amzn-RequestId": caller.context["requestId"]})


def create_app(
    api: Api,
    addresses: AddressBook,
    *,
    access_log: Path | None = None,
    page: Sequence[Path] | None = None,
    traces: TraceFile | None = None,
) -> Router:
    """The gateway as an ASGI application; ``page`` is the built page's folder and its ``config.json``, to serve too."""
    gateway = Gateway(api, addresses, AccessLog(access_log, api.log_format), traces)
    served = PageServer(gateway, api.stage, *page) if page else gateway
    return Router(default=served, lifespan=gateway.running, redirect_slashes=False)
