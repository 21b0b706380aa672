"""The estimate of cost: from the graph, in proportion, with a source for each price; the page shows what it says."""

from __future__ import annotations

import dataclasses
import datetime
import json

import pytest
import yaml

from local import ROOT
from local.program.cost import PAGE, Usage, bill, microvm, mishaps, prices, read_on, session, total, users, with_tables
from local.program.graph import Graph
from tests.infra.graphs import WEBSITE, environment_graph, variation
from tests.local.program.conftest import Run

USAGE = Usage()


def parts(graph: Graph, usage: Usage = USAGE) -> dict[str, tuple[float, float]]:
    return {line.what: (line.monthly, line.each) for line in bill(graph, usage)}


def test_every_price_has_a_page_of_aws_and_a_place_where_it_was_seen() -> None:
    content = yaml.safe_load((ROOT / "local" / "program" / "prices.yaml").read_text(encoding="utf-8"))
    assert isinstance(content["read"], datetime.date)
    for name, entry in content["prices"].items():
        assert entry["price"] > 0, name
        assert entry["page"].startswith("https://aws.amazon.com/"), name
        assert entry["seen"].startswith("https://"), name


def test_a_web_acl_costs_its_rules_and_bot_control_more() -> None:
    dev, guarded = environment_graph("dev"), variation("dev", firewall={"botControl": True})
    rules = len(dev.one("aws:wafv2/webAcl:WebAcl").inputs["rules"])
    assert parts(dev)["AWS WAF"][0] == prices()["web_acl"] + rules * prices()["web_acl_rule"]
    added = prices()["bot_control"] + prices()["web_acl_rule"]
    assert parts(guarded)["AWS WAF"][0] - parts(dev)["AWS WAF"][0] == pytest.approx(added)
    assert parts(guarded)["AWS WAF"][1] > parts(dev)["AWS WAF"][1]


def test_what_is_not_declared_costs_nothing() -> None:
    dev, prod = parts(environment_graph("dev")), parts(environment_graph("prod"))
    assert dev["AgentCore Memory"] == (0, 0)
    assert prod["AgentCore Memory"][1] > 0
    assert prod["Private path (load balancer, endpoint)"] == (0, 0)
    private = variation("prod", runtime={"bypassProtection": "private"}, network={})
    assert parts(private)["Private path (load balancer, endpoint)"][0] == pytest.approx(730 * (0.0225 + 2 * 0.01))


def test_a_page_of_its_own_has_a_second_web_acl_and_no_preflights() -> None:
    usual, website = parts(environment_graph("dev")), parts(variation("dev", **WEBSITE))
    assert usual["CloudFront (with website)"] == (0, 0)
    assert website["CloudFront (with website)"][1] > 0
    assert website["Data to the internet"] == (0, 0)
    assert website["API Gateway"][1] == pytest.approx(usual["API Gateway"][1] / 2)
    acls = variation("dev", **WEBSITE).all("aws:wafv2/webAcl:WebAcl")
    rules = sum(len(each.inputs["rules"]) for each in acls)
    assert website["AWS WAF"][0] == pytest.approx(2 * prices()["web_acl"] + rules * prices()["web_acl_rule"])


def test_a_longer_idle_time_and_the_newer_platform_cost_more() -> None:
    usual, patient = environment_graph("dev"), variation("dev", runtime={"idleSessionSeconds": 1800})
    assert session(patient, USAGE) > session(usual, USAGE)
    newer = variation("dev", runtime={"platformVersion": "V2"})
    assert session(newer, USAGE) > session(usual, USAGE)


def test_an_hour_of_one_processor_and_one_gigabyte_is_the_price_list() -> None:
    cost = microvm(environment_graph("dev"), Usage(memory_gb=1), cpu=3600, seconds=3600)
    assert cost == pytest.approx(0.0895 + 0.00945)


def test_every_turn_pays_for_the_earlier_ones_again() -> None:
    assert Usage(turns=1).model_input == Usage().input_tokens
    three = Usage(turns=3, input_tokens=100, output_tokens=10)
    assert three.model_input == 100 + 110 + 120


def test_users_cost_nothing_below_the_allowance() -> None:
    assert users(10_000 * USAGE.conversations_per_user, USAGE) == 0
    assert users(10_001 * USAGE.conversations_per_user, USAGE) == pytest.approx(prices()["users"])


def test_the_whole_is_the_sum_of_its_parts() -> None:
    lines = bill(environment_graph("prod"), USAGE)
    assert total(lines, 0, USAGE) == pytest.approx(sum(line.monthly for line in lines))
    assert total(lines, 10, USAGE) - total(lines, 0, USAGE) == pytest.approx(10 * sum(line.each for line in lines))


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, environment_graph("prod"), USAGE) == page, "run `python -m local.program.cost`"


def test_a_missing_session_header_is_what_costs() -> None:
    told = dict(mishaps(environment_graph("prod"), USAGE))
    apart = next(cost for what, cost in told.items() if "session of its own" in what)
    together = next(cost for what, cost in told.items() if "in one session" in what)
    assert float(apart.strip("$")) > 20 * float(together.strip("$"))


def test_the_command_prints_it_for_a_program(run: Run) -> None:
    code, printed = run("cost", "--stack", "dev", "--turns", "2", "--json")
    told = json.loads(printed)
    assert not code
    usage = dataclasses.replace(USAGE, turns=2)
    assert told["pricesReadOn"] == read_on()
    assert told["months"]["1000"] == pytest.approx(total(bill(environment_graph("dev"), usage), 1000, usage), abs=0.01)
