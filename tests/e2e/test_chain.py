"""From sign-in to the last word, over real sockets, through every layer that the program declares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from client.exchange import ask
from client.signin import Tokens
from local.program.graph import Graph
from local.run.demo import buffered
from tests import loopback
from tests.e2e.conftest import RunningChain

PROMPT = "Count the sheep. [words=12 pause=0.05]"
POST = "agent-stream-dev-post"


def listen(url: str, token: str, prompt: str = PROMPT) -> list[tuple[dict[str, Any], float]]:
    """Every event of an answer, each with the wall-clock milliseconds of its arrival."""

    async def collect() -> list[tuple[dict[str, Any], float]]:
        return [(arrival.event, time.time() * 1000) async for arrival in ask(url, token, prompt)]

    return asyncio.run(collect())


def words(events: list[tuple[dict[str, Any], float]]) -> str:
    return "".join(event["delta"] for event, _ in events if event["type"] == "TEXT_MESSAGE_CONTENT")


def post(url: str, token: str | None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return loopback.post(url, headers=headers, json={"prompt": "Hi [words=2 pause=0.01]"}, timeout=30)


def test_the_first_word_arrives_before_the_last_is_made(chain: RunningChain, tokens: Tokens) -> None:
    events = listen(chain.outputs.invoke_url, tokens.id)
    first = next(at for event, at in events if event["type"] == "TEXT_MESSAGE_CONTENT")
    assert events[-1][0]["type"] == "RUN_FINISHED"
    assert first < events[-1][0]["timestamp"]
    assert "Count the sheep." in words(events)


def test_a_buffered_integration_holds_the_first_word_until_the_last_is_made(
    chain: RunningChain, tokens: Tokens, gateway_for: Callable[[Graph], str]
) -> None:
    events = listen(gateway_for(buffered(chain.graph)), tokens.id)
    assert events[-1][0]["type"] == "RUN_FINISHED"
    assert events[0][1] >= events[-1][0]["timestamp"]


def test_both_modes_give_the_same_answer(
    chain: RunningChain, tokens: Tokens, gateway_for: Callable[[Graph], str]
) -> None:
    streamed = listen(chain.outputs.invoke_url, tokens.id)
    held_back = listen(gateway_for(buffered(chain.graph)), tokens.id)
    assert words(streamed) == words(held_back)


def test_a_streamed_answer_is_an_event_stream_without_a_length(chain: RunningChain, tokens: Tokens) -> None:
    answer = post(chain.outputs.invoke_url, tokens.id)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "no-transform" in answer.headers["cache-control"]
    assert "content-length" not in answer.headers
    assert 33 <= len(answer.headers["x-amzn-bedrock-agentcore-runtime-session-id"]) <= 256


def test_no_token_is_refused_at_the_gateway(chain: RunningChain) -> None:
    answer = post(chain.outputs.invoke_url, None)
    assert answer.status_code == 401
    assert answer.headers["x-amzn-errortype"] == "UnauthorizedException"


def test_an_access_token_is_refused_at_the_gateway(chain: RunningChain, tokens: Tokens) -> None:
    answer = post(chain.outputs.invoke_url, tokens.access)
    assert answer.status_code == 401
    assert answer.headers["x-amzn-errortype"] == "UnauthorizedException"
    assert "x-amzn-remapped-www-authenticate" not in answer.headers


def test_the_runtime_refuses_by_itself_what_an_open_gateway_lets_through(
    chain: RunningChain, tokens: Tokens, gateway_for: Callable[[Graph], str]
) -> None:
    graph = chain.graph
    method = next(one for one in graph.all("aws:apigateway/method:Method") if one.name == POST)
    url = gateway_for(graph.with_inputs(method.urn, authorization="NONE", authorizerId=None))
    assert post(url, tokens.id).status_code == 200
    refused = post(url, tokens.access)
    assert refused.status_code == 401
    # Only AgentCore sends this challenge, and the gateway renames it on the way.
    assert refused.headers["x-amzn-remapped-www-authenticate"].startswith("Bearer resource_metadata=")


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/invocations/more"])
def test_an_unknown_path_asks_for_a_token_as_api_gateway_does(chain: RunningChain, path: str) -> None:
    base = chain.outputs.invoke_url.removesuffix("/invocations")
    answer = loopback.post(f"{base}{path}", json={})
    assert answer.status_code == 403
    assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
