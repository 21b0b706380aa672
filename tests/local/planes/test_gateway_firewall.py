"""The web ACL: which rules see what of a request, and what they do with it."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic.alias_generators import to_camel
from starlette.datastructures import Headers

from infra.settings.firewall import FirewallSettings
from local.planes.gateway.inspected import Inspected
from local.planes.gateway.rate_rule import RateStatement
from local.planes.limits import not_emulated
from local.program.graph import Graph
from tests import loopback
from tests.infra.graphs import WEBSITE, variation
from tests.local.changes import ACL, KILOBYTE, in_header, prompt_of, throttled, with_rules
from tests.local.conftest import Backend, Serve, UserPool, post, read_log, wait_for

PASSWORD = "random:index/randomPassword:RandomPassword"


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
    limited = serve_gateway(variation("dev", firewall={"bodyLimitKb": 64}))
    answer = post(limited, pool.id_token(), body=prompt_of(65 * KILOBYTE))
    assert answer.status_code == 413
    assert "KB" in answer.json()["message"]
    assert not backend.requests


def test_without_a_limit_a_body_of_ten_megabytes_passes(pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    body = prompt_of(10 * KILOBYTE * KILOBYTE)
    assert post(serve_gateway(), pool.id_token(), body=body).status_code == 200
    assert backend.bodies == [body]


def test_the_firewall_comes_before_the_authorizer(serve_gateway: Serve) -> None:
    limited = serve_gateway(variation("dev", firewall={"bodyLimitKb": 64}))
    assert post(limited, None, body=prompt_of(65 * KILOBYTE)).status_code == 413
    assert post(limited, None).status_code == 401


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


def test_count_stops_nothing(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    count = {"statement": in_header("x-team", "odd"), "action": {"count": {}}}
    assert post(serve_gateway(with_rules(graph, count)), pool.id_token(), **{"X-Team": "odd"}).status_code == 200


def test_not_and_or_combine(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    either = {"orStatement": {"statements": [in_header("x-a", "1"), in_header("x-b", "1")]}}
    neither = {"notStatement": {"statement": either}}
    url = serve_gateway(with_rules(graph, {"statement": neither}))
    assert post(url, pool.id_token()).status_code == 403
    assert post(url, pool.id_token(), **{"X-B": "1"}).status_code == 200
    both = {"andStatement": {"statements": [in_header("x-a", "1"), in_header("x-b", "1")]}}
    url = serve_gateway(with_rules(graph, {"statement": both}))
    assert post(url, pool.id_token(), **{"X-B": "1"}).status_code == 200
    assert post(url, pool.id_token(), **{"X-A": "1", "X-B": "1"}).status_code == 403


def refusing_addresses(graph: Graph, *networks: str) -> Graph:
    """The graph with one rule, which blocks these networks."""
    arn = "arn:aws:wafv2:us-east-1:000000000000:regional/ipset/blocked/1"
    inputs = {"addresses": list(networks), "ipAddressVersion": "IPV4", "scope": "REGIONAL"}
    ip_set = dataclasses.replace(
        graph.one(ACL), type="aws:wafv2/ipSet:IpSet", urn="ip-set", inputs=inputs, outputs={"arn": arn}
    )
    changed = with_rules(graph, {"statement": {"ipSetReferenceStatement": {"arn": arn}}})
    return dataclasses.replace(changed, resources=(*changed.resources, ip_set))


def test_an_address_set_matches_its_networks(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    for network, status in (("127.0.0.0/8", 403), ("192.0.2.0/24", 200)):
        assert post(serve_gateway(refusing_addresses(graph, network)), pool.id_token()).status_code == status


def test_a_rate_rule_blocks_the_one_over_the_limit_and_forgets_with_its_window(
    graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    statement = {"aggregateKeyType": "IP", "limit": 10, "evaluationWindowSec": 600}
    url = serve_gateway(with_rules(graph, {"statement": {"rateBasedStatement": statement}}))
    assert [post(url, pool.id_token()).status_code for _ in range(11)] == [200] * 10 + [403]

    now = 0.0
    rate = RateStatement(10, 60, lambda inspected: (inspected.address,), clock=lambda: now)
    asked = Inspected("POST", "/", "", Headers(), b"", False, "192.0.2.1")
    assert [rate.matches(asked) for _ in range(11)] == [False] * 10 + [True]
    now = 59.9
    assert rate.matches(asked)
    now = 60.0  # the first ten are as old as the window
    assert not rate.matches(asked)


def test_the_window_of_a_rate_rule_follows_the_time_scale(graph: Graph, serve_gateway: Serve) -> None:
    statement = {"aggregateKeyType": "IP", "limit": 1, "evaluationWindowSec": 60}
    url = serve_gateway(with_rules(graph, {"statement": {"rateBasedStatement": statement}}), time_scale=600)
    assert post(url, None).status_code == 401
    asked = time.monotonic()
    wait_for(lambda: time.monotonic() > asked + 0.1, "the window passes")
    assert post(url, None).status_code == 401


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


def test_behind_cloudfront_the_stage_counts_whoever_does_not_send_its_secret(
    pool: UserPool, serve_gateway: Serve
) -> None:
    addresses = {"requestsPerAddress": 10, "onlyAddresses": None, "blockedAddresses": None}
    graph = throttled(variation("dev", **{**WEBSITE, "firewall": addresses}), 100, 100)
    url = serve_gateway(graph)
    known = [each.outputs["result"] for each in graph.all(PASSWORD) if "-website-" in each.name]
    assert len(known) == 2, "one is sent, the other is still or already accepted"
    by_cloudfront = [{"x-origin-verify": value} for value in known * 10]
    assert {post(url, pool.id_token(), **header).status_code for header in by_cloudfront} == {200}
    guesses = [{"x-origin-verify": known[0][:-1]}, {"x-origin-verify": known[0] + "x"}, {}] * 4
    codes = [post(url, pool.id_token(), **header).status_code for header in guesses]
    assert codes == [200] * 10 + [429] * 2
    assert post(url, pool.id_token(), **by_cloudfront[0]).status_code == 200


def test_behind_cloudfront_a_list_of_addresses_is_for_the_others(pool: UserPool, serve_gateway: Serve) -> None:
    graph = variation("dev", **WEBSITE)
    url = serve_gateway(graph)
    known = next(each.outputs["result"] for each in graph.all(PASSWORD) if "-website-" in each.name)
    assert post(url, pool.id_token()).status_code == 403, "loopback is not on the list"
    assert post(url, pool.id_token(), **{"x-origin-verify": known}).status_code == 200


def test_a_caller_cannot_choose_its_address(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve, tmp_path: Path
) -> None:
    others = [{"X-Forwarded-For": f"198.51.100.{number}"} for number in range(11)]
    by_address = {"aggregateKeyType": "IP", "limit": 10, "evaluationWindowSec": 300}
    paced = with_rules(throttled(graph, 100, 100), {"statement": {"rateBasedStatement": by_address}})
    url = serve_gateway(paced, access_log=tmp_path / "access.log")
    codes = [post(url, pool.id_token(), **other).status_code for other in others]
    assert codes == [200] * 10 + [403]
    assert {line["ip"] for line in read_log(tmp_path / "access.log", 11)} == {"127.0.0.1"}
    assert backend.requests[0].headers["x-forwarded-for"] == "198.51.100.0, 127.0.0.1"
    assert (
        post(serve_gateway(refusing_addresses(graph, "127.0.0.0/8")), pool.id_token(), **others[0]).status_code == 403
    )


FIREWALL = {
    "bodyLimitKb": 48,
    "inspectionKb": 48,
    "requestsPerAddress": 10,
    "requestsPerToken": 10,
    "oneTokenSpelling": True,
    "rateWindowSeconds": 60,
    "anonymousAddresses": True,
    "botControl": True,
    "onlyAddresses": ["192.0.2.0/24", "2001:db8::/32"],
    "blockedAddresses": ["198.51.100.0/24"],
    "logPassedRequests": True,
}


def test_every_firewall_setting_can_be_served(pool: UserPool, serve_gateway: Serve) -> None:
    assert {to_camel(name) for name in FirewallSettings.model_fields} == FIREWALL.keys()
    declared = variation("dev", firewall=FIREWALL)
    assert not [line for line in not_emulated(declared) if "web ACL" in line and "AWSManagedRules" not in line]
    assert post(serve_gateway(declared), pool.id_token()).status_code == 403, "loopback is in none of the networks"


@pytest.mark.parametrize("values", [("good", "bad"), ("bad", "good")])
def test_a_header_sent_twice_is_inspected_and_forwarded_whole(
    values: tuple[str, str], graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    headers = [
        ("Authorization", f"Bearer {pool.id_token()}"),
        ("Content-Type", "application/json"),
        *(("X-Team", value) for value in values),
    ]

    def ask(url: str) -> int:
        return loopback.post(url, headers=headers, content=b'{"prompt": "Hi"}').status_code

    assert ask(serve_gateway(with_rules(graph, {"statement": in_header("x-team", "bad")}))) == 403
    assert ask(serve_gateway()) == 200
    assert backend.requests[0].headers.getlist("x-team") == list(values)


def test_rules_see_the_path_as_it_was_sent(graph: Graph, serve_gateway: Serve) -> None:
    in_path = {
        "byteMatchStatement": {
            "fieldToMatch": {"uriPath": {}},
            "positionalConstraint": "CONTAINS",
            "searchString": "%41",
            "textTransformations": [{"priority": 0, "type": "NONE"}],
        }
    }
    url = serve_gateway(with_rules(graph, {"statement": in_path})).removesuffix("invocations")
    assert loopback.post(f"{url}%41bc").json()["type"] == "WAF_FILTERED"
    assert loopback.post(f"{url}Abc").json()["type"] == "MISSING_AUTHENTICATION_TOKEN"


def test_the_default_action_decides_over_what_no_rule_names(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    allow = {"statement": in_header("x-team", "trusted"), "action": {"allow": {}}}
    url = serve_gateway(with_rules(graph, allow, defaultAction={"block": {}}))
    assert post(url, pool.id_token()).status_code == 403
    assert post(url, pool.id_token(), **{"X-Team": "trusted"}).status_code == 200


def test_a_custom_answer_is_sent_as_declared_and_names_its_request(
    graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    custom = {
        "responseCode": 418,
        "customResponseBodyKey": "tea",
        "responseHeaders": [{"name": "X-Pot", "value": "short"}],
    }
    body = {"key": "tea", "content": "<b>tea</b>", "contentType": "TEXT_HTML"}
    rule = {"statement": in_header("x-team", "odd"), "action": {"block": {"customResponse": custom}}}
    url = serve_gateway(with_rules(graph, rule, customResponseBodies=[body]))
    answer = post(url, pool.id_token(), **{"X-Team": "odd"})
    assert (answer.status_code, answer.text, answer.headers["x-pot"]) == (418, "<b>tea</b>", "short")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-amzn-requestid"]
