"""Before the integration: throttle, keys, validation; refusals; and what the access log says of it all."""

from __future__ import annotations

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.planes.gateway.api import api_from_graph
from local.program.graph import Graph, ProgramError
from tests import loopback
from tests.local.changes import (
    KILOBYTE,
    SETTINGS,
    endpoint_type,
    post_method,
    prompt_of,
    team_plan,
    throttled,
    with_rules,
)
from tests.local.conftest import PATIENCE, Backend, Serve, UserPool, post, read_log, wait_for

AUTHORIZER = "aws:apigateway/authorizer:Authorizer"
SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"


def test_more_than_the_burst_is_throttled(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    url = serve_gateway(throttled(graph, 0.001, 3))
    answers = [post(url, pool.id_token()) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["x-amzn-errortype"] == "TooManyRequestsException"


def test_a_method_has_its_own_pace_in_place_of_the_stages(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    def paced(method: int, stage: int) -> Graph:
        changed = graph
        for declared in graph.all(SETTINGS):
            burst = stage if declared.inputs["methodPath"] == "*/*" else method
            pace = {"throttlingRateLimit": 0.001, "throttlingBurstLimit": burst}
            changed = changed.with_inputs(declared.urn, settings=pace)
        return changed

    url = serve_gateway(paced(method=1, stage=3))
    assert [post(url, pool.id_token()).status_code for _ in range(2)] == [200, 429]
    assert [loopback.options(url).status_code for _ in range(4)] == [204, 204, 204, 429]
    url = serve_gateway(paced(method=3, stage=1))
    assert [post(url, pool.id_token()).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_the_throttle_comes_before_the_validator(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    url = serve_gateway(throttled(graph, 0.001, 1))
    assert post(url, pool.id_token(), body=b"{}").status_code == 400
    assert post(url, pool.id_token()).status_code == 429, "the refused one took its token"


def test_the_throttle_recovers(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    url = serve_gateway(throttled(graph, 5, 1))
    post(url, pool.id_token())
    wait_for(lambda: post(url, pool.id_token()).status_code == 200, "a token falls into the bucket")


def test_a_method_that_asks_for_a_key_refuses_without_a_good_one(
    graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    url = serve_gateway(team_plan(graph))
    assert post(url, pool.id_token()).json()["type"] == "INVALID_API_KEY"
    assert post(url, pool.id_token(), **{"X-API-Key": "wrong"}).status_code == 403
    assert post(url, pool.id_token(), **{"X-API-Key": "team-key-0123456789"}).status_code == 200
    assert post(url, None, **{"X-API-Key": "team-key-0123456789"}).status_code == 401


def test_a_used_up_quota_is_its_own_answer(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    url = serve_gateway(team_plan(graph, quotaSettings={"limit": 2, "period": "DAY"}))
    answers = [post(url, pool.id_token(), **{"X-API-Key": "team-key-0123456789"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].headers["x-amzn-errortype"] == "LimitExceededException"


KEY = {"X-API-Key": "team-key-0123456789"}


def test_a_plan_has_a_pace_of_its_own(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    url = serve_gateway(team_plan(graph, throttleSettings={"rateLimit": 0.001, "burstLimit": 2}))
    assert [post(url, pool.id_token(), **KEY).status_code for _ in range(3)] == [200, 200, 429]


def test_a_plans_rate_without_a_burst_lets_a_seconds_worth_through(
    graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    url = serve_gateway(team_plan(graph, throttleSettings={"rateLimit": 0.001}))
    assert [post(url, pool.id_token(), **KEY).status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    "plan",
    [
        {"apiStages": None},
        {"apiStages": []},
        {"apiStages": [{"apiId": "another", "stage": "dev"}]},
        {"key": {"enabled": False}},
    ],
)
def test_a_key_that_is_disabled_or_of_another_stage_is_no_key(
    plan: dict[str, Any], graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    answer = post(serve_gateway(team_plan(graph, **plan)), pool.id_token(), **KEY)
    assert (answer.status_code, answer.json()["type"]) == (403, "INVALID_API_KEY")
    assert not backend.requests


def test_a_plan_with_a_pace_for_one_method_is_refused_by_name(graph: Graph) -> None:
    declared = team_plan(graph)
    (here,) = declared.one("aws:apigateway/usagePlan:UsagePlan").inputs["apiStages"]
    throttles = [{"path": "/invocations/POST", "rateLimit": 10, "burstLimit": 10}]
    with pytest.raises(ProgramError, match="throttle for single methods"):
        api_from_graph(declared.with_inputs("plan", apiStages=[{**here, "throttles": throttles}]))


def test_more_that_a_plan_says_of_its_stage_keeps_its_keys_good(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    del backend
    declared = team_plan(graph)
    (here,) = declared.one("aws:apigateway/usagePlan:UsagePlan").inputs["apiStages"]
    url = serve_gateway(declared.with_inputs("plan", apiStages=[{**here, "throttles": []}]))
    assert post(url, pool.id_token(), **KEY).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"{}", b'{"prompt": 7}', b"\xff\xfe", b"[" * 5000])
def test_a_body_that_does_not_fit_the_model_is_refused_before_the_runtime(
    body: bytes, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    answer = post(serve_gateway(), pool.id_token(), body=body)
    assert answer.status_code == 400
    assert answer.json()["type"] == "BAD_REQUEST_BODY"
    assert not backend.requests


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"prompt": 7}, "[instance type (integer) does not match any allowed primitive type"),
        ({"threadId": "t"}, "[instance failed to match at least one required schema among 5]"),
        ('"quotes" break JSON', "Could not parse request body into json"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_body_is_told_in_a_header_that_a_page_may_read(
    body: Any, said: str, pool: UserPool, serve_gateway: Serve
) -> None:
    sent = body.encode() if isinstance(body, str) else body
    answer = post(serve_gateway(), pool.id_token(), body=sent)
    assert answer.headers["x-validation-error"].startswith(said)
    assert answer.headers["access-control-expose-headers"] == "X-Validation-Error"
    assert "X-Validation-Error" in answer.json()["message"]
    refused = post(serve_gateway(), None)
    assert "x-validation-error" not in refused.headers


def test_other_requests_are_answered_while_a_large_body_is_checked(
    pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    del backend
    url, token = serve_gateway(), pool.id_token()
    large = {"messages": [{"id": "m", "role": "user", "content": "x"}] * 20_000}
    with ThreadPoolExecutor(1) as other:
        checked = other.submit(post, url, token, body=large)
        answered = 0
        while not checked.done():
            assert post(url, token).status_code == 200
            answered += 1
        assert checked.result().status_code == 200
    assert answered > 5, "if the check holds up the others, about two of them are answered before it"


def test_a_content_type_without_a_model_is_not_checked(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    method = next(one for one in graph.all("aws:apigateway/method:Method") if one.inputs["httpMethod"] == "POST")
    (model,) = method.inputs["requestModels"].values()
    url = serve_gateway(graph.with_inputs(method.urn, requestModels={"application/json": model}))
    assert (
        post(url, pool.id_token(), body=b"{}", **{"Content-Type": "application/json; charset=utf-8"}).status_code == 400
    )
    assert post(url, pool.id_token(), body=b"{}", **{"Content-Type": "text/plain"}).status_code == 200
    assert backend.bodies == [b"{}"]


def test_a_required_parameter_that_is_missing_is_named(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    validator = graph.one("aws:apigateway/requestValidator:RequestValidator")
    asked = {"method.request.header.X-Team": True, "method.request.querystring.page": True}
    declared = {**post_method(graph).inputs["requestParameters"], **asked}
    changed = graph.with_inputs(post_method(graph).urn, requestParameters=declared)
    assert post(serve_gateway(changed), pool.id_token()).status_code == 200, "the validator looks at bodies only"
    url = serve_gateway(changed.with_inputs(validator.urn, validateRequestParameters=True))
    answer = post(url, pool.id_token())
    assert (answer.status_code, answer.json()["type"]) == (400, "BAD_REQUEST_PARAMETERS")
    assert "[X-Team, page]" in answer.json()["message"]
    assert post(f"{url}?page=1", pool.id_token(), **{"X-Team": "one"}).status_code == 200
    assert post(f"{url}?page=", pool.id_token(), **{"X-Team": ""}).json()["type"] == "BAD_REQUEST_PARAMETERS"
    assert len(backend.requests) == 2


def test_a_body_over_ten_megabytes_is_refused_and_not_logged(
    graph: Graph, pool: UserPool, serve_gateway: Serve, tmp_path: Path
) -> None:
    url = serve_gateway(with_rules(graph), access_log=tmp_path / "access.log")
    limit = 10 * KILOBYTE * KILOBYTE
    assert post(url, pool.id_token(), body=prompt_of(limit + 1)).status_code == 413
    assert post(url, pool.id_token(), body=prompt_of(limit)).status_code == 200
    assert [line["status"] for line in read_log(tmp_path / "access.log", 1)] == ["200"]


def test_a_caller_who_goes_on_sending_is_refused_all_the_same(graph: Graph, serve_gateway: Serve) -> None:
    url = httpx.URL(serve_gateway(with_rules(graph)))
    head = f"POST {url.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**12}\r\n\r\n"
    with socket.create_connection((url.host, url.port or 0), timeout=PATIENCE) as connection:
        connection.sendall(head.encode())
        with contextlib.suppress(ConnectionError):  # closed under it in the end
            while True:
                connection.sendall(b" " * KILOBYTE * KILOBYTE)


@pytest.mark.parametrize(("kind", "limit"), [("REGIONAL", 20_480), ("EDGE", 20_480), ("PRIVATE", 8_000)])
def test_headers_have_a_limit_by_endpoint_type(
    kind: str, limit: int, graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    url = serve_gateway(endpoint_type(graph, kind))
    headers = {"Authorization": f"Bearer {pool.id_token()}", "X-Padding": ""}
    with loopback.Client(timeout=PATIENCE) as client:

        def status(size: int) -> int:
            request = client.build_request("POST", url, headers=headers, json={"prompt": "Hi"})
            request.headers["X-Padding"] = "x" * (
                size - sum(len(name) + len(value) for name, value in request.headers.raw)
            )
            return client.send(request).status_code

        assert status(limit) == 200
        assert status(limit + 1) == 431


def test_every_answer_names_its_request(pool: UserPool, serve_gateway: Serve) -> None:
    answers = [post(serve_gateway(), token) for token in (pool.id_token(), None)]
    ids = [answer.headers["x-amzn-requestid"] for answer in answers]
    assert len(set(ids)) == 2
    assert answers[1].json()["requestId"] == ids[1]


def test_a_refusal_can_name_the_page_that_asked(graph: Graph, serve_gateway: Serve) -> None:
    response = next(
        one for one in graph.all("aws:apigateway/response:Response") if one.inputs["responseType"] == "UNAUTHORIZED"
    )
    headers = {"gatewayresponse.header.Access-Control-Allow-Origin": "method.request.header.Origin"}
    url = serve_gateway(graph.with_inputs(response.urn, responseParameters=headers))
    page = "https://page.example"
    assert post(url, None, Origin=page).headers["access-control-allow-origin"] == page
    assert "access-control-allow-origin" not in post(url, None).headers


def test_a_refusals_header_holds_what_a_caller_put_into_it_and_no_more(graph: Graph, serve_gateway: Serve) -> None:
    for response in graph.all("aws:apigateway/response:Response"):
        headers = {"gatewayresponse.header.X-Path": "context.path"}
        graph = graph.with_inputs(response.urn, responseParameters=headers)
    url = serve_gateway(graph).removesuffix("invocations")
    for path, told in (("%E2%82%AC", b"\xe2\x82\xac"), ("a%0d%0aSet-Cookie:%20b", b"aSet-Cookie: b")):
        answer = loopback.get(f"{url}{path}")
        assert (answer.status_code, answer.json()["type"]) == (403, "MISSING_AUTHENTICATION_TOKEN")
        assert dict(answer.headers.raw)[b"x-path"].endswith(told)
        assert "set-cookie" not in answer.headers


def test_a_pool_that_is_not_on_loopback_is_an_authorizer_failure(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    arn = "arn:aws:cognito-idp:eu-west-1:000000000000:userpool/eu-west-1_abc"
    url = serve_gateway(graph.with_inputs(graph.one(AUTHORIZER).urn, providerArns=[arn]))
    answer = post(url, pool.id_token(iss="https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"))
    assert (answer.status_code, answer.json()["type"]) == (500, "AUTHORIZER_FAILURE")
    assert not backend.requests


def test_the_preflight_needs_no_token_and_allows_what_the_client_sends(graph: Graph, serve_gateway: Serve) -> None:
    answer = loopback.options(serve_gateway())
    assert answer.status_code in (200, 204)
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", SESSION))
    assert answer.headers["access-control-allow-origin"]


def test_a_page_may_read_the_gateways_own_refusals(serve_gateway: Serve) -> None:
    assert "access-control-allow-origin" in post(serve_gateway(), None).headers


def test_the_access_log_tells_of_every_request_in_the_declared_format(
    pool: UserPool, serve_gateway: Serve, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    url = serve_gateway(access_log=log)
    good = post(url, pool.id_token())
    post(url, None)
    served, refused = read_log(log, 2)
    assert served["requestId"] == good.headers["x-amzn-requestid"]
    assert (served["status"], served["responseTransferMode"]) == ("200", "STREAMED")
    assert served["sub"] == "5d2e9f1c-0b7a-4c55-9c39-5f0f0c5f8a11"
    assert int(served["timeToAllHeaders"]) <= int(served["timeToFirstContent"]) <= int(served["integrationLatency"])
    assert (refused["status"], refused["errorType"]) == ("401", "UNAUTHORIZED")
    assert refused["integrationStatus"] == "-"


def test_no_header_can_break_a_line_of_the_log(pool: UserPool, serve_gateway: Serve, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    post(serve_gateway(access_log=log), pool.id_token(), **{"User-Agent": 'x","status":"500","y":"\\'})
    (line,) = read_log(log, 1)
    assert line["status"] == "200"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
def test_a_log_that_cannot_be_written_costs_no_request(pool: UserPool, serve_gateway: Serve) -> None:
    full = Path("/dev/full")
    assert post(serve_gateway(access_log=full), pool.id_token()).status_code == 200


def test_the_token_is_not_in_the_log(pool: UserPool, serve_gateway: Serve, tmp_path: Path) -> None:
    log, token = tmp_path / "access.log", pool.id_token()
    post(serve_gateway(access_log=log), token)
    read_log(log, 1)
    assert token not in log.read_text()
