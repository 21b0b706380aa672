"""Rules that cannot be evaluated here, whole or in part: left out and listed, never guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from local.planes.gateway.api import api_from_graph
from local.planes.gateway.firewall_statements import StatementReader
from local.planes.gateway.inspected import Inspected
from local.planes.limits import not_emulated
from local.program.graph import Graph
from tests.local.changes import in_header, with_rules

GEO = {"geoMatchStatement": {"countryCodes": ["US"]}}
TRANSFORMED = [{"priority": 0, "type": "MD5"}]
UNKNOWN: dict[str, dict[str, Any]] = {
    "not": {"statement": {"notStatement": {"statement": GEO}}},
    "part of or": {"statement": {"orStatement": {"statements": [in_header("x-team", "a"), GEO]}}},
    "captcha": {"statement": in_header("x-team", "a"), "action": {"captcha": {}}},
    "challenge": {"statement": in_header("x-team", "a"), "action": {"challenge": {}}},
    "label of a managed group": {
        "statement": {
            "notStatement": {
                "statement": {"labelMatchStatement": {"scope": "NAMESPACE", "key": "awswaf:managed:aws:bot-control:"}}
            }
        }
    },
    "addresses from a header": {
        "statement": {
            "notStatement": {
                "statement": {
                    "ipSetReferenceStatement": {"arn": "arn:aws:wafv2:x", "ipSetForwardedIpConfig": {"position": "ANY"}}
                }
            }
        }
    },
    "rate of an unknown scope": {
        "statement": {"rateBasedStatement": {"aggregateKeyType": "IP", "limit": 0, "scopeDownStatement": GEO}}
    },
    "a rate key whose transformation is unknown": {
        "statement": {
            "rateBasedStatement": {
                "aggregateKeyType": "CUSTOM_KEYS",
                "limit": 0,
                "customKeys": [{"header": {"name": "x-team", "textTransformations": TRANSFORMED}}],
            }
        }
    },
    "a rate by what is no address and no header": {
        "statement": {
            "rateBasedStatement": {
                "aggregateKeyType": "CUSTOM_KEYS",
                "limit": 0,
                "customKeys": [{"uriPath": {"textTransformations": [{"priority": 0, "type": "NONE"}]}}],
            }
        }
    },
    "headers that it inserts": {
        "statement": in_header("x-team", "a"),
        "action": {"allow": {"customRequestHandling": {"insertHeaders": [{"name": "seen", "value": "1"}]}}},
    },
    "an expression of another dialect": {
        "statement": {
            "regexMatchStatement": {
                "fieldToMatch": {"method": {}},
                "regexString": "(?<name>P)",
                "textTransformations": [{"priority": 0, "type": "LOWERCASE"}],
            }
        }
    },
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_rule_that_cannot_be_evaluated_is_listed_and_stops_nobody(name: str, graph: Graph) -> None:
    changed = with_rules(graph, UNKNOWN[name])
    assert any(line.startswith("web ACL: r0: ") for line in not_emulated(changed))
    firewall = api_from_graph(changed).firewall
    assert firewall
    firewall.check(request_with({"x-team": "a"}))


def request_with(headers: dict[str, str]) -> Inspected:
    return Inspected("POST", "/", "", Headers(headers), b"", False, "127.0.0.1")


def trees(parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(parts, min_size=2, max_size=3)
    return st.one_of(
        several.map(lambda some: {"andStatement": {"statements": some}}),
        several.map(lambda some: {"orStatement": {"statements": some}}),
        parts.map(lambda one: {"notStatement": {"statement": one}}),
    )


def meant(tree: dict[str, Any], headers: dict[str, str]) -> bool:
    """What a statement means, by the definition of its words."""
    ((kind, body),) = tree.items()
    match kind:
        case "andStatement":
            return all(meant(one, headers) for one in body["statements"])
        case "orStatement":
            return any(meant(one, headers) for one in body["statements"])
        case "notStatement":
            return not meant(body["statement"], headers)
        case _:
            return body["fieldToMatch"]["singleHeader"]["name"] in headers


leaves = st.sampled_from([in_header(name, "1") for name in "abc"])


@given(
    tree=st.recursive(leaves | st.just(GEO), trees, max_leaves=8),
    headers=st.dictionaries(st.sampled_from("abc"), st.just("1")),
)
def test_any_nesting_means_what_its_words_mean_or_nothing(tree: dict[str, Any], headers: dict[str, str]) -> None:
    reported: list[str] = []
    statement = StatementReader({}, 1.0, reported.append).read(tree)
    assert bool(reported) == (statement is None) == ("geoMatchStatement" in json.dumps(tree))
    if statement is not None:
        assert statement.matches(request_with(headers)) is meant(tree, headers)
