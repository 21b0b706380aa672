"""The data planes over real sockets, between a user pool and a backend that a test controls.

The graph is the real one of the dev stack. The user pool signs whatever a test asks for, which no real one would; the
backend does what the test says.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local import LOOPBACK
from local.planes.addresses import AddressBook
from local.planes.gateway.api import api_from_graph
from local.planes.gateway.app import create_app as gateway_app
from local.planes.runtime.app import create_app as runtime_app
from local.planes.runtime.config import runtime_from_graph
from local.planes.runtime.sessions import SharedAgent
from local.planes.serving import server_config
from local.program.graph import Graph
from tests import loopback
from tests.infra.graphs import environment_graph
from tests.local.changes import throttled

RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"
PATIENCE = 30.0


class Server:
    """An application served as the local run serves it, by a thread of its own on a free loopback port."""

    def __init__(self, app: ASGIApp, *, time_scale: float = 1.0) -> None:
        self._socket = socket.create_server((LOOPBACK, 0))
        self.url = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"
        # No handlers of uvicorn's own: what it logs goes to whoever listens, which in a test is `complaints`.
        config = server_config(app, time_scale=time_scale, log_config=None, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        wait_for(lambda: self._server.started, "the server starts")
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._thread.join(PATIENCE)
        self._socket.close()

    def end(self) -> None:
        """Tell it to end, and do not wait for it: uvicorn takes a fifth of a second, even with nothing to do."""
        self._server.should_exit = True

    @property
    def busy(self) -> bool:
        """Whether it still answers a request, which may fail in a test that has nothing to do with it."""
        return bool(self._server.server_state.tasks)


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait for something another thread does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.005)


@pytest.fixture
def complaints(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the servers of this process have reported as errors so far, which is where a traceback goes."""
    return caplog.records


@pytest.fixture(scope="session")
def graph() -> Graph:
    """What the dev stack declares."""
    return environment_graph("dev")


class UserPool:
    """Keys, a discovery document, and tokens of any shape."""

    def __init__(self, graph: Graph) -> None:
        self.issuer = str(graph.outputs["issuer"])
        self.client_id = str(graph.outputs["userPoolClientId"])
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.other_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.fetches = 0
        self.reachable = True
        self.hanging = False
        self.document: Any = None  # in place of the keys
        self.url = ""

    def id_claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good ID token; a change to None removes one."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "5d2e9f1c-0b7a-4c55-9c39-5f0f0c5f8a11",
            "aud": self.client_id,
            "token_use": "id",
            "email": "somebody@example.com",
            "auth_time": now,
            "iat": now,
            "exp": now + 3600,
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, claims: Mapping[str, Any], *, key: Any = None, headers: Mapping[str, Any] | None = None) -> str:
        """A token with these claims, signed with the pool's key unless another is given."""
        # Below the level that would refuse to sign claims of the wrong type.
        content = json.dumps(dict(claims)).encode()
        return jwt.api_jws.encode(
            content, key or self.key, algorithm="RS256", headers={"kid": "pool-key", **(headers or {})}
        )

    def id_token(self, **changes: Any) -> str:
        """A good ID token, but for the changes."""
        return self.sign(self.id_claims(**changes))

    def app(self) -> Starlette:
        """The pool's public documents."""

        async def jwks(_: Request) -> Response:
            self.fetches += 1
            while self.hanging:  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.01)
            if not self.reachable:
                return Response(status_code=503)
            if self.document is not None:
                return JSONResponse(self.document)
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            return JSONResponse({"keys": [{**key, "kid": "pool-key", "use": "sig", "alg": "RS256"}]})

        async def discovery(_: Request) -> Response:
            return JSONResponse({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/.well-known/jwks.json"})

        return Starlette(
            routes=[
                Route("/{pool}/.well-known/jwks.json", jwks),
                Route("/{pool}/.well-known/openid-configuration", discovery),
            ]
        )


@pytest.fixture(scope="session")
def pool(graph: Graph) -> Iterator[UserPool]:
    """A user pool with the declared issuer and client."""
    pool = UserPool(graph)
    with Server(pool.app()) as server:
        pool.url = server.url
        yield pool


Handler = Callable[[Request], Awaitable[Response]]


class Backend:
    """Stands behind a data plane and does what the test's handler says."""

    def __init__(self, url: str = "") -> None:
        self.handler: Handler = self.answer
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []
        self.url = url

    async def answer(self, request: Request) -> Response:
        """Answer everything with 200 and an empty object."""
        del request
        return JSONResponse({})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        self.bodies.append(await request.body())
        self.requests.append(request)
        response = await self.handler(request)
        await response(scope, receive, send)


@pytest.fixture(scope="session")
def running_backend() -> Iterator[Backend]:
    """One server for the backends of all tests."""
    backend = Backend()
    with Server(backend) as server:
        backend.url = server.url
        yield backend


@pytest.fixture
def backend(running_backend: Backend) -> Backend:
    """A backend that has seen nothing yet."""
    running_backend.__init__(running_backend.url)  # type: ignore[misc]  # a fresh one at the same address
    return running_backend


Serve = Callable[..., str]


class Servers:
    """Data planes before one backend; the unchanged one is started once and kept."""

    def __init__(self, make: Callable[..., ASGIApp], graph: Graph, path: str) -> None:
        self._make = make
        self._graph = graph
        self._path = path
        self._kept: Server | None = None
        self._changed: list[Server] = []
        self._ending: list[Server] = []

    def __call__(self, changed: Graph | None = None, *, time_scale: float = 1.0, **options: Any) -> str:
        """Serve a graph, the declared one unless another is given; the address to POST to."""
        if changed is None and time_scale == 1 and not options:
            if self._kept is None:
                self._kept = Server(self._make(self._graph)).__enter__()
            return f"{self._kept.url}{self._path}"
        app = self._make((changed or self._graph).at_time_scale(time_scale), **options)
        server = Server(app, time_scale=time_scale).__enter__()
        self._changed.append(server)
        return f"{server.url}{self._path}"

    def end_changed(self) -> None:
        """Stop those that serve anything but the declared graph; wait for those that still have something to do."""
        for server in self._changed:
            server.end()
            if server.busy:
                server.__exit__()
            else:
                self._ending.append(server)
        self._changed.clear()

    def end(self) -> None:
        """Stop all."""
        self.end_changed()
        for server in [*self._ending, *filter(None, [self._kept])]:
            server.__exit__()


@pytest.fixture(scope="session")
def gateways(graph: Graph, pool: UserPool, running_backend: Backend) -> Iterator[Servers]:
    """Gateways before the backend."""
    addresses = AddressBook(
        {
            f"cognito-idp.{graph.region}.amazonaws.com": pool.url,
            f"bedrock-agentcore.{graph.region}.amazonaws.com": running_backend.url,
        }
    )

    def make(served: Graph, **options: Any) -> ASGIApp:
        return gateway_app(api_from_graph(served), addresses, **options)

    # One address asks faster than the declared throttle lets anybody; tests of the throttle serve a graph of their own.
    servers = Servers(make, throttled(graph, 1e6, 1_000_000), f"/{graph.outputs['stageName']}/invocations")
    yield servers
    servers.end()


@pytest.fixture(scope="session")
def runtimes(graph: Graph, pool: UserPool, running_backend: Backend) -> Iterator[Servers]:
    """Runtimes before the backend, which is then the agent."""
    addresses = AddressBook({f"cognito-idp.{graph.region}.amazonaws.com": pool.url})

    def make(served: Graph, **options: Any) -> ASGIApp:
        agents = options.get("agents") or SharedAgent(running_backend.url)
        return runtime_app(runtime_from_graph(served), addresses, agents, hang_up=options.get("hang_up", "lost"))

    servers = Servers(make, graph, str(graph.outputs["runtimeUrl"]).partition(".amazonaws.com")[2])
    yield servers
    servers.end()


@pytest.fixture
def serve_gateway(gateways: Servers, backend: Backend) -> Iterator[Serve]:
    """Serves a graph's API before the backend; returns its invoke URL."""
    del backend
    yield gateways
    gateways.end_changed()


@pytest.fixture
def serve_runtime(runtimes: Servers, backend: Backend) -> Iterator[Serve]:
    """Serves a graph's runtime before the backend; returns its invocation URL."""
    del backend
    yield runtimes
    runtimes.end_changed()


def post(url: str, token: str | None, *, body: Any = None, **headers: str) -> httpx.Response:
    """POST a prompt, or another body, with a token."""
    if token is not None:
        headers["Authorization"] = f"Bearer {token}".strip()
    content = json.dumps({"prompt": "Hello"} if body is None else body) if not isinstance(body, bytes) else body
    headers.setdefault("Content-Type", "application/json")
    return loopback.post(url, content=content, headers=headers, timeout=PATIENCE)


def read_log(path: Path, lines: int) -> list[dict[str, str]]:
    """The access log when it has so many lines."""
    wait_for(lambda: path.exists() and len(path.read_text().splitlines()) >= lines, "the log is written")
    return [json.loads(line) for line in path.read_text().splitlines()]
