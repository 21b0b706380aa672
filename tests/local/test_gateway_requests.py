"""Before the integration: firewall, throttle, keys, validation, mapping; and what the access log says of it all."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from local.graph import Graph, Resource
from tests.local.conftest import Backend, Serve, UserPool, post, wait_for

ACL = "aws:wafv2/webAcl:WebAcl"
SETTINGS = "aws:apigateway/methodSettings:MethodSettings"
KILOBYTE = 1024
ORIGIN = "x-amzn-bedrock-agentcore-runtime-custom-origin-verify"
SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"


def prompt_of(size: int) -> bytes:
    """A body of exactly so many bytes that the model accepts."""
    empty = json.dumps({"prompt": ""}).encode()
    return json.dumps({"prompt": "x" * (size - len(empty))}).encode()


def with_rules(graph: Graph, *rules: dict[str, Any], **inputs: Any) -> Graph:
    """The graph with only these rules in its web ACL."""
    numbered = [
        {"priority": number, "action": {"block": {}}, "name": f"r{number}", **rule} for number, rule in enumerate(rules)
    ]
    return graph.with_inputs(graph.one(ACL).urn, rules=numbered, **inputs)


def in_header(name: str, word: str) -> dict[str, Any]:
    return {
        "byteMatchStatement": {
            "fieldToMatch": {"singleHeader": {"name": name}},
            "positionalConstraint": "CONTAINS",
            "searchString": word,
            "textTransformations": [{"priority": 0, "type": "LOWERCASE"}],
        }
    }


def in_body(word: str, oversize: str = "CONTINUE") -> dict[str, Any]:
    return {
        "byteMatchStatement": {
            "fieldToMatch": {"body": {"oversizeHandling": oversize}},
            "positionalConstraint": "CONTAINS",
            "searchString": word,
            "textTransformations": [{"priority": 0, "type": "NONE"}],
        }
    }


def test_the_declared_size_rule_answers_as_declared(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    answer = post(serve_gateway(), pool.id_token(), body=prompt_of(65 * KILOBYTE))
    assert answer.status_code == 413
    assert "KB" in answer.json()["message"]
    assert not backend.requests


def test_the_firewall_comes_before_the_authorizer(serve_gateway: Serve) -> None:
    assert post(serve_gateway(), None, body=prompt_of(65 * KILOBYTE)).status_code == 413
    assert post(serve_gateway(), None).status_code == 401


def test_beyond_the_inspection_limit_a_body_passes_unseen(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    url = serve_gateway(with_rules(graph, {"statement": in_body("attack")}, associationConfig=None))
    near = json.dumps({"prompt": "attack" + "x" * 1000}).encode()
    far = json.dumps({"prompt": "x" * 17 * KILOBYTE + "attack"}).encode()
    assert post(url, pool.id_token(), body=near).status_code == 403
    assert post(url, pool.id_token(), body=far).status_code == 200
    assert backend.bodies == [far], "the whole body is forwarded, with the part that nobody saw"


@pytest.mark.parametrize(("oversize", "status"), [("MATCH", 403), ("NO_MATCH", 200)])
def test_oversize_handling_decides_over_a_body_beyond_the_limit(
    oversize: str, status: int, graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    rule = {"statement": in_body("nothing of the kind", oversize)}
    url = serve_gateway(with_rules(graph, rule, associationConfig=None))
    assert post(url, pool.id_token(), body=prompt_of(17 * KILOBYTE)).status_code == status


def test_rules_are_tried_by_priority_and_allow_ends_it(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    allow = {"statement": in_header("x-team", "trusted"), "action": {"allow": {}}}
    block = {"statement": in_header("x-team", "t")}
    url = serve_gateway(with_rules(graph, allow, block))
    assert post(url, pool.id_token(), **{"X-Team": "TRUSTED"}).status_code == 200
    assert post(url, pool.id_token(), **{"X-Team": "other"}).status_code == 403
    assert post(url, pool.id_token()).status_code == 200


def test_count_stops_nothing_and_its_label_reaches_later_rules(
    graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    count = {
        "statement": in_header("x-team", "odd"),
        "action": {"count": {}},
        "ruleLabels": [{"name": "team:odd"}],
    }
    assert post(serve_gateway(with_rules(graph, count)), pool.id_token(), **{"X-Team": "odd"}).status_code == 200
    labelled = {"statement": {"labelMatchStatement": {"scope": "LABEL", "key": "team:odd"}}}
    url = serve_gateway(with_rules(graph, count, labelled))
    assert post(url, pool.id_token(), **{"X-Team": "odd"}).status_code == 403


def test_not_and_or_combine(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    either = {"orStatement": {"statements": [in_header("x-a", "1"), in_header("x-b", "1")]}}
    neither = {"notStatement": {"statements": [either]}}
    url = serve_gateway(with_rules(graph, {"statement": neither}))
    assert post(url, pool.id_token()).status_code == 403
    assert post(url, pool.id_token(), **{"X-B": "1"}).status_code == 200


def test_an_address_set_matches_its_networks(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    arn = "arn:aws:wafv2:us-east-1:000000000000:regional/ipset/blocked/1"
    rule = {"statement": {"ipSetReferenceStatement": {"arn": arn}}}
    for addresses, status in ((["127.0.0.0/8"], 403), (["192.0.2.0/24"], 200)):
        template = graph.one(ACL)
        inputs = {"addresses": addresses, "ipAddressVersion": "IPV4", "scope": "REGIONAL"}
        ip_set = dataclasses.replace(
            template, type="aws:wafv2/ipSet:IpSet", urn="ip-set", inputs=inputs, outputs={"arn": arn}
        )
        changed = with_rules(graph, rule)
        url = serve_gateway(dataclasses.replace(changed, resources=(*changed.resources, ip_set)))
        assert post(url, pool.id_token()).status_code == status


def test_a_rate_rule_blocks_the_one_over_the_limit_and_forgets_with_its_window(
    graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    statement = {"aggregateKeyType": "IP", "limit": 10, "evaluationWindowSec": 60}
    url = serve_gateway(with_rules(graph, {"statement": {"rateBasedStatement": statement}}), time_scale=30)
    codes = [post(url, pool.id_token()).status_code for _ in range(12)]
    assert codes.count(200) >= 10
    assert codes[:10] == [200] * 10
    assert 403 in codes[10:]
    wait_for(lambda: forgotten(url, pool), "the window passes")


def forgotten(url: str, pool: UserPool) -> bool:
    """Whether a request passes again; each one that does not counts too, so they must be fewer than the limit."""
    time.sleep(0.3)
    return post(url, pool.id_token()).status_code == 200


def test_a_rate_rule_by_header_counts_each_value_and_skips_requests_without_it(
    graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    keys = [{"header": {"name": "authorization", "textTransformations": [{"priority": 0, "type": "NONE"}]}}]
    statement = {"aggregateKeyType": "CUSTOM_KEYS", "customKeys": keys, "limit": 10, "evaluationWindowSec": 300}
    url = serve_gateway(with_rules(graph, {"statement": {"rateBasedStatement": statement}}))
    one, other = pool.id_token(), pool.id_token(sub="another")
    assert [post(url, one).status_code for _ in range(11)] == [200] * 10 + [403]
    assert post(url, other).status_code == 200
    assert [post(url, None).status_code for _ in range(12)] == [401] * 12


def test_without_a_web_acl_nothing_is_inspected(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    association = graph.one("aws:wafv2/webAclAssociation:WebAclAssociation")
    kept = tuple(one for one in graph.resources if one is not association)
    url = serve_gateway(dataclasses.replace(graph, resources=kept))
    answer = post(url, pool.id_token(), body=prompt_of(30 * KILOBYTE))
    assert answer.status_code == 200


def throttled(graph: Graph, rate: float, burst: int) -> Graph:
    """The graph with one pace for the stage and the method."""
    for settings in graph.all(SETTINGS):
        pace = {"throttlingRateLimit": rate, "throttlingBurstLimit": burst}
        graph = graph.with_inputs(settings.urn, settings=pace)
    return graph


def test_more_than_the_burst_is_throttled(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    url = serve_gateway(throttled(graph, 0.001, 3))
    answers = [post(url, pool.id_token()) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["x-amzn-errortype"] == "TooManyRequestsException"


def test_the_throttle_recovers(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    url = serve_gateway(throttled(graph, 5, 1))
    post(url, pool.id_token())
    wait_for(lambda: post(url, pool.id_token()).status_code == 200, "a token falls into the bucket")


def team_plan(graph: Graph, **plan: Any) -> Graph:
    """The graph with an API key asked for, and one team that has one."""
    template = graph.one(ACL)

    def made(type_: str, id_: str, inputs: dict[str, Any], **outputs: str) -> Resource:
        return dataclasses.replace(
            template, type=f"aws:apigateway/{type_}", urn=id_, id=id_, inputs=inputs, outputs={**inputs, **outputs}
        )

    method = next(one for one in graph.all("aws:apigateway/method:Method") if one.inputs["httpMethod"] == "POST")
    more = (
        made("apiKey:ApiKey", "key", {}, value="team-key-0123456789"),
        made("usagePlan:UsagePlan", "plan", plan),
        made("usagePlanKey:UsagePlanKey", "link", {"keyId": "key", "usagePlanId": "plan", "keyType": "API_KEY"}),
    )
    changed = graph.with_inputs(method.urn, apiKeyRequired=True)
    return dataclasses.replace(changed, resources=(*changed.resources, *more))


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


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"{}", b'{"prompt": 7}', b"\xff\xfe", b"[" * 5000])
def test_a_body_that_does_not_fit_the_model_is_refused_before_the_runtime(
    body: bytes, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    answer = post(serve_gateway(), pool.id_token(), body=body)
    assert answer.status_code == 400
    assert answer.json()["type"] == "BAD_REQUEST_BODY"
    assert not backend.requests


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


def test_a_body_over_ten_megabytes_is_refused(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    url = serve_gateway(with_rules(graph))
    # Refused while it is still being sent, the connection may be closed under the caller.
    with contextlib.suppress(httpx.WriteError):
        assert post(url, pool.id_token(), body=prompt_of(11 * KILOBYTE * KILOBYTE)).status_code == 413


def test_the_origin_secret_reaches_the_backend_in_place_of_what_the_caller_sent(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    post(serve_gateway(), pool.id_token(), **{ORIGIN: "forged"})
    (request,) = backend.requests
    assert request.headers.getlist(ORIGIN) == [
        graph.one("random:index/randomPassword:RandomPassword").outputs["result"]
    ]


def test_session_token_qualifier_and_account_are_mapped(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    token, session = pool.id_token(), "s" * 36
    post(serve_gateway(), token, **{SESSION: session})
    (request,) = backend.requests
    assert request.headers["authorization"] == f"Bearer {token}"
    assert request.headers[SESSION] == session
    assert dict(request.query_params) == {"qualifier": "DEFAULT", "accountId": "000000000000"}
    assert request.url.path.endswith("/invocations")


@pytest.mark.parametrize("name", ["Content-MD5", "Expect", "Max-Forwards", "TE", "Via", "Proxy-Authenticate"])
def test_headers_that_api_gateway_drops_do_not_reach_the_backend(
    name: str, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    post(serve_gateway(), pool.id_token(), **{name: "1"})
    assert name.lower() not in backend.requests[0].headers


def test_headers_that_api_gateway_renames_come_back_renamed(
    pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    async def handler(_: Request) -> Response:
        return Response("{}", headers={"WWW-Authenticate": "Bearer", "Server": "agent", "X-Kept": "yes", "Via": "x"})

    backend.handler = handler
    headers = post(serve_gateway(), pool.id_token()).headers
    assert headers["x-amzn-remapped-www-authenticate"] == "Bearer"
    assert headers["x-amzn-remapped-server"] == "agent"
    assert headers["x-kept"] == "yes"
    assert "via" not in headers
    assert "www-authenticate" not in headers


def test_every_answer_names_its_request(pool: UserPool, serve_gateway: Serve) -> None:
    answers = [post(serve_gateway(), token) for token in (pool.id_token(), None)]
    ids = [answer.headers["x-amzn-requestid"] for answer in answers]
    assert len(set(ids)) == 2
    assert answers[1].json()["requestId"] == ids[1]


def test_the_preflight_needs_no_token_and_allows_what_the_client_sends(graph: Graph, serve_gateway: Serve) -> None:
    answer = httpx.options(serve_gateway(), trust_env=False)
    assert answer.status_code in (200, 204)
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", SESSION))
    assert answer.headers["access-control-allow-origin"]


def test_a_page_may_read_the_gateways_own_refusals(serve_gateway: Serve) -> None:
    assert "access-control-allow-origin" in post(serve_gateway(), None).headers


def read_log(path: Path, lines: int) -> list[dict[str, str]]:
    wait_for(lambda: path.exists() and len(path.read_text().splitlines()) >= lines, "the log is written")
    return [json.loads(line) for line in path.read_text().splitlines()]


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
