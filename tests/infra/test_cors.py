"""Who names the page's origin, and what the page may send."""

from __future__ import annotations

import pytest

from infra.config import SettingsError, StackConfig
from local.program.graph import Graph
from tests.infra.graphs import PROJECT, changed_settings, variation

RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"
GATEWAY_RESPONSE = "aws:apigateway/response:Response"
ALLOWED = "method.response.header.Access-Control-Allow-Headers"
ORIGIN = "http://localhost:5173"


def sent_by_agent(graph: Graph) -> str | None:
    origin: str | None = graph.one(RUNTIME).inputs["environmentVariables"].get("AGENT_ALLOWED_ORIGIN")
    return origin


def allowed_headers(graph: Graph) -> list[str]:
    (answer,) = graph.all("aws:apigateway/integrationResponse:IntegrationResponse")
    listed: str = answer.inputs["responseParameters"][ALLOWED]
    return listed.strip("'").split(",")


def test_the_agent_names_the_origin_unless_agentcore_does() -> None:
    assert sent_by_agent(variation("dev")) == ORIGIN
    silent = variation("dev", api={"agentSendsCors": False})
    assert sent_by_agent(silent) is None
    # What the gateway itself says is named by the gateway all the same.
    for each in silent.all(GATEWAY_RESPONSE):
        assert each.inputs["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"] == f"'{ORIGIN}'"


def test_a_page_may_send_what_traces_and_numbers_its_requests() -> None:
    assert {"traceparent", "X-Amzn-Trace-Id", "X-Request-Id", "Cache-Control"} <= set(allowed_headers(variation("dev")))


def test_a_pages_own_headers_come_to_those_that_the_api_needs_and_none_stands_twice() -> None:
    headers = allowed_headers(variation("dev", api={"allowedHeaders": ["X-Page", "authorization"]}))
    assert headers == ["Authorization", "Content-Type", "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", "X-Page"]


@pytest.mark.parametrize("name", ["", "*", "X Page", "X-Page,Y", "'", "X-Page\n"])
def test_what_is_no_headers_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="allowedHeaders"):
        StackConfig.parse(PROJECT, "dev", changed_settings("dev", {"api": {"allowedHeaders": [name]}}))
