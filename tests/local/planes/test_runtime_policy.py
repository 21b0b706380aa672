"""The runtime's other addresses: refused under the resource policy, a marked dummy without it, and never more."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from local.program.graph import Graph
from tests import loopback
from tests.local.conftest import PATIENCE, Backend, Serve, UserPool, post

POLICY = "aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy"
SIBLINGS = [("POST", "commands"), ("POST", "stopruntimesession"), ("GET", "ws"), ("GET", "ws/shells")]
USER = {"X-Amzn-Bedrock-AgentCore-Runtime-User-Id": "somebody-else"}


def ask(url: str, method: str, path: str, token: str | None) -> httpx.Response:
    """A sibling of the invocation address, as AWS's SDK asks for it."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = json.dumps({"command": "touch /tmp/x"}) if method == "POST" else None
    at = httpx.URL(url)
    at = at.copy_with(path=at.path.replace("/invocations", f"/{path}"))
    return loopback.request(method, at, content=body, headers=headers, timeout=PATIENCE)


def with_statements(graph: Graph, *statements: dict[str, Any]) -> Graph:
    (policy,) = graph.all(POLICY)
    return graph.with_inputs(policy.urn, policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))


def deny(*actions: str, **members: Any) -> dict[str, Any]:
    named = [f"bedrock-agentcore:{action}" for action in actions]
    return {"Effect": "Deny", "Principal": "*", "Action": named, "Resource": "*", **members}


@pytest.mark.parametrize(("method", "path"), SIBLINGS)
def test_under_the_declared_policy_a_token_opens_none_of_them(
    method: str, path: str, pool: UserPool, backend: Backend, serve_runtime: Serve
) -> None:
    answer = ask(serve_runtime(), method, path, pool.id_token())
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert backend.requests == []


@pytest.mark.parametrize(("method", "path"), SIBLINGS)
def test_without_a_policy_each_answers_with_a_dummy_and_reaches_no_agent(
    method: str, path: str, graph: Graph, pool: UserPool, backend: Backend, serve_runtime: Serve
) -> None:
    answer = ask(serve_runtime(with_statements(graph)), method, path, pool.id_token())
    assert answer.status_code == 200
    assert answer.json()["emulated"] is True
    assert backend.requests == []


@pytest.mark.parametrize(("method", "path"), SIBLINGS)
def test_a_caller_without_a_token_is_refused_before_the_policy_is_asked(
    method: str, path: str, graph: Graph, serve_runtime: Serve
) -> None:
    assert ask(serve_runtime(with_statements(graph)), method, path, None).status_code == 401


def test_a_question_in_another_users_name_is_an_operation_of_its_own(
    graph: Graph, pool: UserPool, backend: Backend, serve_runtime: Serve
) -> None:
    assert post(serve_runtime(), pool.id_token(), **USER).status_code == 403
    assert backend.requests == []
    assert post(serve_runtime(with_statements(graph)), pool.id_token(), **USER).status_code == 200


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        (deny("InvokeAgentRuntimeCommand*"), 403),
        (deny("InvokeAgentRuntimeCommandShell"), 200),
        (deny("InvokeAgentRuntimeCommand", Effect="Allow"), 200),
        (deny("InvokeAgentRuntimeCommand", Principal={"AWS": "arn:aws:iam::999999999999:root"}), 200),
        # The bearer of a token is no principal of an account, so a comparison with another account's number holds.
        (deny("InvokeAgentRuntimeCommand", Condition={"StringNotEquals": {"aws:PrincipalAccount": "1"}}), 403),
        (deny("InvokeAgentRuntimeCommand", Condition={"StringEquals": {"aws:PrincipalAccount": "1"}}), 200),
        (deny("InvokeAgentRuntimeCommand", Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}), 200),
    ],
)
def test_a_statement_denies_what_it_says_to_whom_it_says(
    statement: dict[str, Any], status: int, graph: Graph, pool: UserPool, serve_runtime: Serve
) -> None:
    url = serve_runtime(with_statements(graph, statement))
    assert ask(url, "POST", "commands", pool.id_token()).status_code == status


def test_the_policy_of_another_resource_denies_nothing_here(graph: Graph, pool: UserPool, serve_runtime: Serve) -> None:
    (policy,) = graph.all(POLICY)
    url = serve_runtime(graph.with_inputs(policy.urn, resourceArn="arn:aws:bedrock-agentcore:x:1:memory/m"))
    assert ask(url, "POST", "commands", pool.id_token()).status_code == 200
