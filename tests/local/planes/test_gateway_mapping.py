"""Between the caller and the backend: headers, parameters and answers as the gateway passes them on."""

from __future__ import annotations

import re
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.requests import Request
from starlette.responses import Response

from local.program.graph import Graph
from tests import loopback
from tests.local.changes import (
    calling_agentcore,
    mapped,
    post_method,
    session_from,
)
from tests.local.conftest import Backend, Handler, Serve, UserPool, post

ORIGIN = "x-amzn-bedrock-agentcore-runtime-custom-origin-verify"
SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"


def test_the_origin_secret_reaches_the_backend_in_place_of_what_the_caller_sent(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    post(serve_gateway(), pool.id_token(), **{ORIGIN: "forged"})
    (request,) = backend.requests
    assert request.headers.getlist(ORIGIN) == [
        graph.one("random:index/randomPassword:RandomPassword").outputs["result"]
    ]


def test_session_token_qualifier_and_account_are_mapped(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    token, session = pool.id_token(), "s" * 36
    url = serve_gateway(session_from(graph, f"method.request.header.{SESSION}"))
    post(url, token, **{SESSION: session})
    (request,) = backend.requests
    assert request.headers["authorization"] == f"Bearer {token}"
    assert request.headers[SESSION] == session
    assert dict(request.query_params) == {"qualifier": "DEFAULT", "accountId": "000000000000"}
    assert request.url.path.endswith("/invocations")


def test_the_session_is_the_user_whatever_the_caller_sends(
    pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    user = str(uuid.uuid4())
    post(serve_gateway(), pool.id_token(sub=user), **{SESSION: "of-another-user-0123456789-0123456789"})
    assert backend.requests[0].headers.getlist(SESSION) == [user]


def test_the_session_is_the_bodys_thread(graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    thread = "thread-0123456789-0123456789-0123456789"
    url = serve_gateway(session_from(graph, "method.request.body.threadId"))
    post(url, pool.id_token(), body={"prompt": "Hi", "threadId": thread}, **{SESSION: "x" * 36})
    assert backend.requests[0].headers.getlist(SESSION) == [thread]


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ("method.request.body.state.team", "blue"),
        ("method.request.body.state.size", "3"),
        ("method.request.body.state", '{"team": "blue", "size": 3}'),
        ("method.request.body.prompt", "Grüße"),
        ("method.request.body.missing.team", None),
    ],
)
def test_a_member_of_the_body_is_mapped_as_text(
    source: str, sent: str | None, graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    body = {"prompt": "Grüße", "state": {"team": "blue", "size": 3}}
    post(serve_gateway(mapped(graph, X_Mapped=source)), pool.id_token(), body=body)
    received = backend.requests[0].headers.get("x-mapped")
    assert (received.encode("latin-1").decode() if received is not None else None) == sent


@pytest.mark.parametrize("name", ["Content-MD5", "Expect", "Max-Forwards", "TE", "Via", "Proxy-Authenticate"])
def test_headers_that_api_gateway_drops_do_not_reach_the_backend(
    name: str, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    post(serve_gateway(), pool.id_token(), **{name: "1"})
    assert name.lower() not in backend.requests[0].headers


REMAPPED = (
    "Authorization",
    "Connection",
    "Content-MD5",
    "Date",
    "Max-Forwards",
    "Server",
    "User-Agent",
    "WWW-Authenticate",
)
DROPPED = ("Expect", "Host", "Proxy-Authenticate", "TE", "Trailer", "Upgrade", "Via")


def test_headers_that_api_gateway_renames_come_back_renamed(
    pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    own = dict.fromkeys((*REMAPPED, *DROPPED), "close") | {"X-Kept": "yes"}
    backend.handler = answering(**own)
    headers = post(serve_gateway(), pool.id_token()).headers
    assert headers["x-kept"] == "yes"
    # Both servers write a date of their own; everything else is there once, under its new name.
    assert {name for name in REMAPPED if "close" not in headers.get(f"x-amzn-remapped-{name}", "")} == set()
    assert {name for name in (*REMAPPED, *DROPPED) if name in headers} <= {"Date"}


def answering(**headers: str) -> Handler:
    """A backend's handler that answers with these headers, and no others of its own."""

    async def handler(_: Request) -> Response:
        response = Response("{}")
        lines = {"content-length": "2", **headers}
        response.raw_headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in lines.items()]
        return response

    return handler


def test_an_answer_without_a_content_type_is_json_and_names_one_request(
    pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    backend.handler = answering(**{"X-Amzn-RequestId": "the agent's own", "X-Amzn-Trace-Id": "Root=1-own"})
    headers = post(serve_gateway(), pool.id_token()).headers
    assert headers["content-type"] == "application/json"
    assert len(headers.get_list("x-amzn-requestid")) == len(headers.get_list("x-amzn-trace-id")) == 1
    assert headers["x-amzn-requestid"] != "the agent's own"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 999 Odd", b"HTTP/1.1 199 Odd", b"HTTP/1.1 200 OK\r\nX-Odd: \x01\x02"])
def test_an_answer_that_cannot_be_passed_on_is_an_integration_failure(
    answer: bytes, graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as threads:

        def answer_once() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer + b"\r\nContent-Length: 0\r\n\r\n")

        threads.submit(answer_once)
        uri = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        refused = post(serve_gateway(calling_agentcore(graph, uri=uri)), pool.id_token())
    assert (refused.status_code, refused.json()["type"]) == (504, "INTEGRATION_FAILURE")


def test_the_backend_is_told_who_asks_and_how(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    answer = post(serve_gateway(), pool.id_token(), **{"X-Forwarded-For": "198.51.100.7"})
    headers = backend.requests[0].headers
    assert headers["x-forwarded-for"] == "198.51.100.7, 127.0.0.1"
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("https", "443")
    assert headers["x-amzn-trace-id"] == answer.headers["x-amzn-trace-id"]
    post(serve_gateway(), pool.id_token(), **{"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793"})
    assert backend.requests[1].headers["x-amzn-trace-id"] == "Root=1-5759e988-bd862e3fe1be46a994272793"


def test_context_and_claims_are_mapped(graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    sources = {
        "X_Sub": "context.authorizer.claims.sub",
        "X_Ip": "context.identity.sourceIp",
        "X_Request": "context.requestId",
        "X_Time": "context.requestTime",
        "X_Account": "context.accountId",
        "X_Domain": "context.domainName",
        "X_Absent": "context.authorizer.claims.nickname",
    }
    answer = post(serve_gateway(mapped(graph, **sources)), pool.id_token())
    headers = backend.requests[0].headers
    assert headers["x-sub"] == pool.id_claims()["sub"]
    assert headers["x-ip"] == "127.0.0.1"
    assert headers["x-request"] == answer.headers["x-amzn-requestid"]
    assert re.fullmatch(r"\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d \+0000", headers["x-time"])
    assert headers["x-account"] == "000000000000"
    assert headers["x-domain"].endswith(f".execute-api.{graph.region}.amazonaws.com")
    assert "x-absent" not in headers


def test_claims_are_mapped_as_text(graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    sources = {
        "X_Verified": "context.authorizer.claims.email_verified",
        "X_Groups": "context.authorizer.claims.cognito:groups",
        "X_Since": "context.authorizer.claims.auth_time",
    }
    token = pool.id_token(**{"email_verified": True, "cognito:groups": ["a", "b"], "auth_time": 7})
    post(serve_gateway(mapped(graph, **sources)), token)
    headers = backend.requests[0].headers
    assert (headers["x-verified"], headers["x-groups"], headers["x-since"]) == ("true", "a,b", "7")


def test_a_claim_with_a_line_break_makes_no_header(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    url = serve_gateway(mapped(graph, X_Nick="context.authorizer.claims.nickname"))
    answer = post(url, pool.id_token(nickname="a\r\nX-Forged: b"))
    assert (answer.status_code, answer.json()["type"]) == (504, "INTEGRATION_FAILURE")
    assert not backend.requests


def test_a_member_of_the_body_with_a_line_break_makes_no_header(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    url = serve_gateway(session_from(graph, "method.request.body.threadId"))
    answer = post(url, pool.id_token(), body={"prompt": "Hi", "threadId": "t" * 40 + "\r\nX-Forged: b"})
    assert (answer.status_code, answer.json()["type"]) == (504, "INTEGRATION_FAILURE")
    assert not backend.requests


def test_a_repeated_query_parameter_is_forwarded_whole(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    post(f"{serve_gateway()}?a=1&a=2&b=&accountId=forged&c=%C3%A9%26", pool.id_token())
    asked = backend.requests[0].query_params.multi_items()
    assert asked[:4] == [("a", "1"), ("a", "2"), ("b", ""), ("c", "\u00e9&")]
    assert dict(asked[4:]) == {"qualifier": "DEFAULT", "accountId": "000000000000"}


def test_a_header_beyond_ascii_arrives_as_it_was_sent(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    post(serve_gateway(), pool.id_token(), **{"X-Team": "caf\u00e9".encode()})  # type: ignore[arg-type]
    assert dict(backend.requests[0].headers.raw)[b"x-team"] == "caf\u00e9".encode()


def test_a_method_for_any_verb_serves_every_verb(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    changed = calling_agentcore(graph, httpMethod="ANY", integrationHttpMethod="ANY")
    url = serve_gateway(changed.with_inputs(post_method(graph).urn, httpMethod="ANY"))
    headers = {"Authorization": f"Bearer {pool.id_token()}", "Content-Type": "application/json"}
    for verb in ("POST", "PUT"):
        answer = loopback.request(verb, url, headers=headers, content=b'{"prompt": "Hi"}')
        assert answer.status_code == 200
    assert loopback.options(url).status_code == 204, "a method of its own comes first"
    assert [request.method for request in backend.requests] == ["POST", "PUT"]
