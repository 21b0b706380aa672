"""AgentCore's data plane: addresses, sessions, headers, and what becomes of an agent that fails."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from local import LOOPBACK
from local.planes.runtime.config import runtime_from_graph
from local.planes.runtime.headers import CUSTOM_PREFIX, RESTRICTED, may_be_forwarded
from local.planes.runtime.sessions import IsolatedAgents, Lifecycle, SharedAgent
from local.processes.agent_process import agent_environment
from local.processes.child import bare_environment
from local.processes.ports import any_port
from local.program.graph import Graph, ProgramError
from tests import loopback
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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # on importing the SDK
def test_what_may_never_be_forwarded_is_as_the_sdk_has_it() -> None:
    from bedrock_agentcore.runtime.models import RESTRICTED_HEADERS, is_forwardable_header  # noqa: PLC0415

    names = {name for name in RESTRICTED_HEADERS if not name.startswith(":")}  # those of HTTP/2 are no headers here
    assert {name for name in names if may_be_forwarded(name)} == set()
    for name in (*RESTRICTED, "authorization", "x-team", "x-amz-date", "x-amzn-x", f"{CUSTOM_PREFIX}x"):
        assert may_be_forwarded(name) == is_forwardable_header(name)


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


def test_an_agent_that_never_answers_is_given_up(
    graph: Graph, pool: UserPool, backend: Backend, serve_runtime: Serve
) -> None:
    async def handler(request: Request) -> Response:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        return Response()

    backend.handler = handler
    answer = post(serve_runtime(graph, time_scale=9000), pool.id_token())  # 15 minutes are a tenth of a second
    assert answer.status_code == 504


def test_a_stream_ends_after_an_hour(graph: Graph, pool: UserPool, backend: Backend, serve_runtime: Serve) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"word "
            await asyncio.sleep(0.01)

    async def handler(_: Request) -> Response:
        return StreamingResponse(endless())

    backend.handler = handler
    with pytest.raises(httpx.RemoteProtocolError):
        post(serve_runtime(graph, time_scale=9000), pool.id_token())  # an hour is four tenths of a second


def test_a_signed_request_is_the_wrong_method_for_a_runtime_that_takes_tokens(serve_runtime: Serve) -> None:
    answer = post(serve_runtime(), None, Authorization="AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/x")
    assert answer.status_code == 403
    assert answer.json()["message"] == "Authorization method mismatch"


@pytest.mark.parametrize(
    ("operator", "value", "claims", "status"),
    [
        ("EQUALS", {"matchValueString": "id"}, {"token_use": "id"}, 200),
        ("EQUALS", {"matchValueString": "access"}, {"token_use": "id"}, 401),
        ("CONTAINS", {"matchValueString": "admins"}, {"token_use": ["staff", "admins"]}, 200),
        ("CONTAINS", {"matchValueString": "admins"}, {"token_use": ["staff"]}, 401),
        ("CONTAINS", {"matchValueString": "admins"}, {"token_use": "admins"}, 401),
        ("CONTAINS_ANY", {"matchValueStringLists": ["a", "staff"]}, {"token_use": ["staff"]}, 200),
        ("CONTAINS_ANY", {"matchValueStringLists": ["a", "b"]}, {"token_use": ["staff"]}, 401),
    ],
)
def test_a_custom_claim_must_hold(
    operator: str,
    value: dict[str, object],
    claims: dict[str, object],
    status: int,
    graph: Graph,
    pool: UserPool,
    serve_runtime: Serve,
) -> None:
    runtime = graph.one(RUNTIME)
    declared = runtime.inputs["authorizerConfiguration"]["customJwtAuthorizer"]
    custom = {
        "inboundTokenClaimName": "token_use",
        "inboundTokenClaimValueType": "STRING",
        "authorizingClaimMatchValue": {"claimMatchOperator": operator, "claimMatchValue": value},
    }
    changed = graph.with_inputs(
        runtime.urn, authorizerConfiguration={"customJwtAuthorizer": {**declared, "customClaims": [custom]}}
    )
    assert post(serve_runtime(changed), pool.id_token(**claims)).status_code == status


@pytest.mark.parametrize("claims", [{"aud": 5}, {"aud": [{}]}, {"aud": True}, {"client_id": []}, {"client_id": {}}])
def test_a_claim_of_another_kind_is_another_claim(
    claims: dict[str, object],
    graph: Graph,
    pool: UserPool,
    serve_runtime: Serve,
    serve_gateway: Serve,
    complaints: list[logging.LogRecord],
) -> None:
    runtime = graph.one(RUNTIME)
    declared = runtime.inputs["authorizerConfiguration"]["customJwtAuthorizer"]
    strict = {**declared, "allowedClients": [pool.client_id]}
    url = serve_runtime(graph.with_inputs(runtime.urn, authorizerConfiguration={"customJwtAuthorizer": strict}))
    assert post(url, pool.id_token(**{"client_id": pool.client_id, **claims})).status_code == 401
    assert post(serve_gateway(), pool.id_token(**claims)).status_code == (401 if "aud" in claims else 200)
    assert not complaints


def test_an_authorizer_that_lists_nothing_is_refused(graph: Graph) -> None:
    runtime = graph.one(RUNTIME)
    declared = runtime.inputs["authorizerConfiguration"]["customJwtAuthorizer"]
    nothing = {"customJwtAuthorizer": {"discoveryUrl": declared["discoveryUrl"]}}
    with pytest.raises(ProgramError, match="allowed_audiences"):
        runtime_from_graph(graph.with_inputs(runtime.urn, authorizerConfiguration=nothing))


def test_a_pool_that_nothing_answers_for_is_an_internal_error(
    graph: Graph, pool: UserPool, serve_runtime: Serve
) -> None:
    runtime = graph.one(RUNTIME)
    declared = runtime.inputs["authorizerConfiguration"]["customJwtAuthorizer"]
    elsewhere = {"customJwtAuthorizer": {**declared, "discoveryUrl": "https://elsewhere.example/pool"}}
    url = serve_runtime(graph.with_inputs(runtime.urn, authorizerConfiguration=elsewhere))
    answer = post(url, pool.id_token())
    assert answer.status_code == 500
    assert answer.headers["x-amzn-errortype"] == "InternalServerException"


@contextmanager
def isolated(graph: Graph, logs: Path, **options: float) -> Iterator[IsolatedAgents]:
    changes = {"AGENT_SESSION_FROM": "header"}  # the tests name sessions themselves
    # The subject is the runtime and its processes, so their agent needs no framework.
    agent = "tests.local.planes.counting_agent"
    environment = agent_environment(graph, agent=agent, model="scripted", changes=changes)
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


def test_a_session_that_is_being_started_asks_to_try_again(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    with isolated(graph, tmp_path) as agents, ThreadPoolExecutor() as threads:
        url, token = serve_runtime(graph, agents=agents), pool.id_token()

        def ask() -> httpx.Response:
            return post(url, token, body={"prompt": "Hi [words=2 pause=0]"}, **{SESSION: "a" * 40})

        answers = [one.result() for one in [threads.submit(ask) for _ in range(3)]]
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert refused.headers["x-amzn-errortype"] == "RetryableConflictException"


def test_an_idle_session_ends_and_its_next_request_starts_another(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    with isolated(graph, tmp_path, idle=0.2) as agents:
        url, token = serve_runtime(graph, agents=agents), pool.id_token()
        body, headers = {"prompt": "Hi [words=2 pause=0]"}, {SESSION: "a" * 40}
        post(url, token, body=body, **headers)
        wait_for(lambda: not agents.processes, "the idle session ends")

        def again() -> bool:
            return "RUN_FINISHED" in post(url, token, body=body, **headers).text

        wait_for(again, "another is started once the first has ended")


def test_a_session_ends_at_its_maximum_lifetime_even_in_mid_stream(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    with isolated(graph, tmp_path, maximum=1) as agents:
        url = serve_runtime(graph, agents=agents)
        heard: list[str] = []
        headers = {"Authorization": f"Bearer {pool.id_token()}", SESSION: "a" * 40}
        body = {"prompt": "Hi [words=2000 pause=0.05]"}
        with (
            suppress(httpx.RemoteProtocolError),  # unless the agent has the time to say that it ends
            loopback.stream("POST", url, json=body, headers=headers, timeout=PATIENCE) as answer,
        ):
            heard.extend(line for line in answer.iter_lines() if "TEXT_MESSAGE_CONTENT" in line)
        assert len(heard) < 2000
        wait_for(lambda: not agents.processes, "the session ends")


def to_be_killed(logs: Path, *, limit: int) -> IsolatedAgents:
    """Sessions whose agents are killed, so that of all an agent does only the process counts: one that starts fast."""
    environment = bare_environment() | {"PING": "healthy"}
    lifecycle = Lifecycle(60, 60, poll=0.05)
    return IsolatedAgents(environment, logs, lifecycle, limit=limit, module="tests.local.planes.pinging_agent")


def test_a_killed_session_makes_room_for_another(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    agents = to_be_killed(tmp_path, limit=1)
    url, token, body = serve_runtime(graph, agents=agents), pool.id_token(), {"seconds": 0}
    post(url, token, body=body, **{SESSION: "a" * 40})
    assert post(url, token, body=body, **{SESSION: "b" * 40}).status_code == 429
    os.kill(agents.processes["a" * 40], signal.SIGKILL)
    wait_for(lambda: "done" in post(url, token, body=body, **{SESSION: "b" * 40}).text, "there is room")


def test_a_killed_session_takes_no_other_along_and_comes_back(
    graph: Graph, pool: UserPool, serve_runtime: Serve, tmp_path: Path
) -> None:
    agents = to_be_killed(tmp_path, limit=2)
    url, token, body = serve_runtime(graph, agents=agents), pool.id_token(), {"seconds": 0}
    for session in ("a", "b"):
        post(url, token, body=body, **{SESSION: session * 40})
    before = dict(agents.processes)
    os.kill(before["a" * 40], signal.SIGKILL)
    wait_for(lambda: "done" in post(url, token, body=body, **{SESSION: "a" * 40}).text, "it comes back")
    assert agents.processes["b" * 40] == before["b" * 40]
    assert agents.processes["a" * 40] != before["a" * 40]
