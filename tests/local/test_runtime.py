"""AgentCore's data plane: addresses, sessions, headers, and what becomes of an agent that fails."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from local.agent_process import agent_environment
from local.graph import Graph
from local.network import LOOPBACK, any_port
from local.runtime.sessions import IsolatedAgents, Lifecycle, SharedAgent
from tests.local.conftest import PATIENCE, RUNTIME, Backend, Serve, UserPool, post, wait_for

SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"


def moved(url: str, path: str, query: str = "qualifier=DEFAULT") -> str:
    """The same server at another path."""
    return str(httpx.URL(url).copy_with(raw_path=f"{path}?{query}".encode()))


def test_the_runtime_answers_by_id_and_account(pool: UserPool, serve_runtime: Serve) -> None:
    assert post(serve_runtime(), pool.id_token()).status_code == 200


def test_the_runtime_answers_by_its_escaped_arn(graph: Graph, pool: UserPool, serve_runtime: Serve) -> None:
    arn = quote(str(graph.outputs["runtimeArn"]), safe="")
    assert post(moved(serve_runtime(), f"/runtimes/{arn}/invocations"), pool.id_token()).status_code == 200


def test_the_id_needs_the_account_beside_it(graph: Graph, pool: UserPool, serve_runtime: Serve) -> None:
    path = f"/runtimes/{graph.outputs['runtimeId']}/invocations"
    for query in ("qualifier=DEFAULT", "qualifier=DEFAULT&accountId=111111111111"):
        answer = post(moved(serve_runtime(), path, query), pool.id_token())
        assert answer.status_code == 404
        assert answer.headers["x-amzn-errortype"] == "ResourceNotFoundException"


@pytest.mark.parametrize("path", ["/", "/runtimes", "/runtimes/x", "/runtimes/x/invoke", "/runtimes/x/invocations/y"])
def test_any_other_path_looks_like_a_missing_token(path: str, pool: UserPool, serve_runtime: Serve) -> None:
    answer = post(moved(serve_runtime(), path), pool.id_token())
    assert answer.status_code == 401
    assert answer.json()["message"] == "Missing Authentication Token"


def test_an_unknown_qualifier_is_not_found(graph: Graph, pool: UserPool, serve_runtime: Serve) -> None:
    path = f"/runtimes/{graph.outputs['runtimeId']}/invocations"
    url = moved(serve_runtime(), path, "qualifier=blue&accountId=000000000000")
    assert post(url, pool.id_token()).status_code == 404


def test_a_refusal_says_where_to_learn_how_to_sign_in(serve_runtime: Serve) -> None:
    challenge = post(serve_runtime(), None).headers["www-authenticate"]
    assert challenge.startswith("Bearer resource_metadata=")


def test_a_runtime_without_a_jwt_authorizer_takes_no_token(graph: Graph, pool: UserPool, serve_runtime: Serve) -> None:
    runtime = graph.one(RUNTIME)
    answer = post(serve_runtime(graph.with_inputs(runtime.urn, authorizerConfiguration=None)), pool.id_token())
    assert answer.status_code == 403
    assert "mismatch" in answer.json()["message"]


def test_a_session_id_is_made_when_absent_and_returned(pool: UserPool, backend: Backend, serve_runtime: Serve) -> None:
    first, second = (post(serve_runtime(), pool.id_token()).headers[SESSION] for _ in range(2))
    assert first != second
    assert [request.headers[SESSION] for request in backend.requests] == [first, second]
    assert 33 <= len(first) <= 256


@pytest.mark.parametrize(("length", "status"), [(32, 400), (33, 200), (256, 200), (257, 400)])
def test_a_session_id_has_33_to_256_characters(length: int, status: int, pool: UserPool, serve_runtime: Serve) -> None:
    assert post(serve_runtime(), pool.id_token(), **{SESSION: "s" * length}).status_code == status


def test_only_allowed_headers_reach_the_agent(
    graph: Graph, pool: UserPool, backend: Backend, serve_runtime: Serve
) -> None:
    runtime = graph.one(RUNTIME)
    allowed = {"requestHeaderAllowlists": ["X-Team", "Origin", "Cookie"]}
    url = serve_runtime(graph.with_inputs(runtime.urn, requestHeaderConfiguration=allowed))
    sent = {"X-Team": "blue", "X-Other": "1", "Origin": "https://a.example", "Cookie": "a=b", "User-Agent": "x"}
    post(url, pool.id_token(), **sent)
    headers = backend.requests[0].headers
    assert headers["x-team"] == "blue"
    assert headers["content-type"] == "application/json"
    # Not listed, or restricted whatever the list says; without a listing even the token is stripped.
    assert not {"x-other", "origin", "cookie", "user-agent", "authorization"} & set(headers)


def test_the_declared_list_lets_the_token_through(pool: UserPool, backend: Backend, serve_runtime: Serve) -> None:
    token = pool.id_token()
    post(serve_runtime(), token)
    assert backend.requests[0].headers["authorization"] == f"Bearer {token}"


def test_a_forwarded_header_over_four_kilobytes_is_refused(pool: UserPool, serve_runtime: Serve) -> None:
    assert post(serve_runtime(), pool.id_token(groups=["g" * 50] * 100)).status_code == 400


@pytest.mark.parametrize("status", [400, 401, 404, 418, 500, 503])
def test_whatever_error_the_agent_answers_the_caller_sees_an_opaque_424(
    status: int, pool: UserPool, backend: Backend, serve_runtime: Serve
) -> None:
    async def handler(_: Request) -> Response:
        return JSONResponse({"error": "secret detail"}, status_code=status)

    backend.handler = handler
    answer = post(serve_runtime(), pool.id_token())
    assert answer.status_code == 424
    assert answer.headers["x-amzn-errortype"] == "RuntimeClientError"
    assert "secret" not in answer.text


def test_an_agent_that_is_not_there_is_a_424(graph: Graph, pool: UserPool, serve_runtime: Serve) -> None:
    nobody = SharedAgent(f"http://{LOOPBACK}:{any_port()}")
    assert post(serve_runtime(graph, agents=nobody), pool.id_token()).status_code == 424


def test_a_hang_up_reaches_the_agent(pool: UserPool, backend: Backend, serve_runtime: Serve) -> None:
    gone = threading.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"data: one\n\n"
            await asyncio.sleep(PATIENCE)
        finally:
            gone.set()

    async def handler(_: Request) -> Response:
        return StreamingResponse(chunks(), media_type="text/event-stream")

    backend.handler = handler
    headers = {"Authorization": f"Bearer {pool.id_token()}"}
    with httpx.Client(trust_env=False) as client, client.stream("POST", serve_runtime(), headers=headers) as response:
        next(response.iter_raw())
    assert gone.wait(PATIENCE)


@contextmanager
def isolated(graph: Graph, logs: Path, **options: float) -> Iterator[IsolatedAgents]:
    environment = agent_environment(graph, model="scripted", time_scale=1, changes={})
    environment.pop("AGENT_ORIGIN_SECRET", None)
    lifecycle = Lifecycle(options.get("idle", 60), options.get("maximum", 60))
    yield IsolatedAgents(environment, logs, lifecycle, limit=int(options.get("limit", 2)))


def test_each_session_has_a_process_of_its_own_up_to_the_limit(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    with isolated(graph, tmp_path, limit=2) as agents:
        url, token = serve_runtime(graph, agents=agents), pool.id_token()

        def ask(session: str) -> httpx.Response:
            return post(url, token, body={"prompt": "Hi [words=2 pause=0]"}, **{SESSION: session * 40})

        assert "RUN_FINISHED" in ask("a").text
        first = dict(agents.processes)
        assert "RUN_FINISHED" in ask("b").text
        assert "RUN_FINISHED" in ask("a").text
        assert {name: agents.processes[name] for name in first} == first
        assert len(set(agents.processes.values())) == 2

        refused = ask("c")
        assert refused.status_code == 429
        assert refused.headers["x-amzn-errortype"] == "ThrottlingException"


def test_an_idle_session_ends_and_its_next_request_starts_another(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    with isolated(graph, tmp_path, idle=0.2) as agents:
        url, token = serve_runtime(graph, agents=agents), pool.id_token()
        body, headers = {"prompt": "Hi [words=2 pause=0]"}, {SESSION: "a" * 40}
        post(url, token, body=body, **headers)
        wait_for(lambda: not agents.processes, "the idle session ends")
        assert "RUN_FINISHED" in post(url, token, body=body, **headers).text


def test_a_session_ends_at_its_maximum_lifetime_even_in_mid_stream(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    with isolated(graph, tmp_path, maximum=1) as agents:
        url = serve_runtime(graph, agents=agents)
        with pytest.raises(httpx.RemoteProtocolError):
            post(url, pool.id_token(), body={"prompt": "Hi [words=2000 pause=0.05]"}, **{SESSION: "a" * 40})
        wait_for(lambda: not agents.processes, "the session ends")


def test_a_killed_session_takes_no_other_along_and_comes_back(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    with isolated(graph, tmp_path) as agents:
        url, token = serve_runtime(graph, agents=agents), pool.id_token()
        body = {"prompt": "Hi [words=2 pause=0]"}
        for session in ("a", "b"):
            post(url, token, body=body, **{SESSION: session * 40})
        before = dict(agents.processes)
        os.kill(before["a" * 40], signal.SIGKILL)
        wait_for(lambda: "RUN_FINISHED" in post(url, token, body=body, **{SESSION: "a" * 40}).text, "it comes back")
        assert agents.processes["b" * 40] == before["b" * 40]
        assert agents.processes["a" * 40] != before["a" * 40]
