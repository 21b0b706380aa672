"""The examples run as they are: with a real MCP server, and without a framework. LangGraph's is with its tests."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from local.doubles.fake_model import FakeModel, ToolCall
from tests.agent.support import Serve

pytestmark = pytest.mark.anyio


def example(name: str) -> Any:
    """The example, with the framework that it needs: seconds of imports, which no other test pays for."""
    return import_module(f"examples.{name}")


async def test_the_generator_tells_words_and_state(serve: Serve) -> None:
    reply = await serve(example("generator").build_agent).ask("Count these four")
    assert reply.text == "You wrote 3 words. The longest is “Count”."
    assert [one["snapshot"] for one in reply.events if one["type"] == "STATE_SNAPSHOT"] == [{"words": 3}]


async def test_the_strands_agent_calls_its_own_tool_and_the_mcp_servers(serve: Serve) -> None:
    asked = [ToolCall("order_status", {"order": 7}), ToolCall("discount", {"percent": 10, "price": 20})]
    model = FakeModel(asked, "It is on its way, for 18.00.")

    def build(run: Any, history: Any) -> Any:
        return example("strands_mcp").build_agent(run, model, history)

    reply = await serve(build).ask("Where is order 7?")
    assert reply.text == "It is on its way, for 18.00."
    assert model.requests[1].results == {"order_status": "Order 7 is on its way.", "discount": "18.00"}
