"""What of AG-UI works with three versions of AG-UI's own client: the table of docs/agent.md, cell by cell."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from ag_ui.core import (
    CustomEvent,
    StateDeltaEvent,
    StateSnapshotEvent,
    StepFinishedEvent,
    StepStartedEvent,
)

from local.doubles.fake_model import FakeModel, ToolCall
from tests.agent.support import Serve
from tests.agent.test_cuts import every_kind
from tests.agent.test_stock_clients import LASTING, converse, said, slowly
from tests.agent.test_strands_page_tools import PIXEL, SHOW, agent_of, careful, weather
from tests.node_programs import needs_node

pytestmark = needs_node

PAGE = Path(__file__).parents[2] / "docs" / "agent.md"
PACKAGES = {"0.0.46": "ag-ui-client-0.0.46", "0.0.59": "ag-ui-client-0.0.59", "1.0.0": "@ag-ui/client"}
OPEN: dict[str, Any] = {"session_from": "header", **LASTING}

Check = Callable[[Serve, str], bool]


def words(serve: Serve, package: str) -> bool:
    (reply,) = converse(serve(every_kind, **OPEN), package, {"say": "Hi"})
    return [one["role"] for one in reply["messages"]].count("assistant") == 2 and reply["failure"] is None


def reasoning(serve: Serve, package: str) -> bool:
    (reply,) = converse(serve(every_kind, **OPEN), package, {"say": "Hi"})
    return "reasoning" in [one["role"] for one in reply["messages"]]


def tool_calls(serve: Serve, package: str) -> bool:
    model = FakeModel(ToolCall("weather", {"city": "Rome"}, id="w"), "Rain.")
    (reply,) = converse(serve(agent_of(model, weather), **OPEN), package, {"say": "Rome?"})
    results = {one["toolCallId"]: one["content"] for one in reply["messages"] if one["role"] == "tool"}
    (call,) = (call for one in reply["messages"] for call in one.get("toolCalls") or ())
    return results == {"w": "Rain in Rome."} and call["function"]["arguments"] == '{"city": "Rome"}'


async def counting(run: Any) -> AsyncIterator[Any]:
    """Tell of everything that is no message."""
    yield StepStartedEvent(step_name="count")
    yield StateSnapshotEvent(snapshot={"n": 1})
    yield StateDeltaEvent(delta=[{"op": "replace", "path": "/n", "value": 2}])
    yield CustomEvent(name="tick", value=1)
    yield StepFinishedEvent(step_name="count")
    yield "Two."


async def state_of(run: Any) -> AsyncIterator[Any]:
    """Send a state, and later read the one that the page sends back."""
    yield StateSnapshotEvent(snapshot={"n": (run.state or {}).get("n", 0) + 1})
    yield "Counted."


def snapshot(serve: Serve, package: str) -> bool:
    *_, last = converse(serve(state_of, **OPEN), package, {"say": "One"}, {"say": "Two"})
    return bool(last["state"] == {"n": 2})


def delta(serve: Serve, package: str) -> bool:
    (reply,) = converse(serve(counting, **OPEN), package, {"say": "Count"})
    return bool(reply["state"] == {"n": 2})


def steps(serve: Serve, package: str) -> bool:
    (reply,) = converse(serve(counting, **OPEN), package, {"say": "Count"})
    return {"STEP_STARTED", "STEP_FINISHED", "CUSTOM"} <= set(reply["seen"]) and reply["failure"] is None


def page_tools(serve: Serve, package: str) -> bool:
    model = FakeModel(ToolCall("show_map", {}, id="m"), "You see it.")
    server = serve(agent_of(model), **OPEN)
    called, answered = converse(server, package, {"say": "Show", "tools": [SHOW]}, {"answer": "shown"})
    return called["failure"] is None and answered["messages"][-1]["content"] == "You see it."


def interrupts(serve: Serve, package: str) -> bool:
    model = FakeModel(ToolCall("send", {"to": "Eve"}, id="s"), "Sent.")
    resumed = {"resume": {"status": "resolved", "payload": {"approved": True}}}
    asked, answered = converse(serve(careful(model), **OPEN), package, {"say": "Write"}, resumed)
    return bool(asked["interrupts"]) and answered["messages"][-1].get("content") == "Sent."


def images(serve: Serve, package: str) -> bool:
    model = FakeModel("A pixel.")
    source = {"type": "data", "value": PIXEL, "mimeType": "image/png"}
    said = [{"type": "text", "text": "What is it?"}, {"type": "image", "source": source}]
    (reply,) = converse(serve(agent_of(model), **OPEN), package, {"say": said})
    blocks = model.requests[0].messages[0]["content"] if model.requests else []
    return reply["failure"] is None and base64.b64decode(PIXEL) in [
        block["image"]["source"]["bytes"] for block in blocks if "image" in block
    ]


def attach(serve: Serve, package: str) -> bool:
    hang_up = {"say": "Hi", "hangUpAfter": 9}
    _, again = converse(serve(slowly(0.01), **OPEN), package, hang_up, {"forwardedProps": {"attach": {}}})
    return again["failure"] is None and [one["role"] for one in again["messages"]].count("assistant") == 2


def stopped(serve: Serve, package: str) -> bool:
    server = serve(slowly(0.03), **OPEN)
    converse(server, package, {"say": "Hi", "stopAfter": 3})
    return bool(server.log()["outcome"] == "stopped")


def cancelled(serve: Serve, package: str) -> bool:
    (reply,) = converse(serve(slowly(0.03), **OPEN), package, {"say": "Hi", "stopAfter": 3})
    return bool(reply["seen"][-1] == "RUN_FINISHED" and reply["failure"] is None)


def history(serve: Serve, package: str) -> bool:
    _, again = converse(serve(said, **OPEN), package, {"say": "Hi"}, {"forwardedProps": {"history": {}}})
    return [one["role"] for one in again["messages"]] == ["user", "assistant"]


CHECKS: dict[str, Check] = {
    "words": words,
    "reasoning, as a message": reasoning,
    "tool calls with arguments and results": tool_calls,
    "`STATE_SNAPSHOT`, and the page's state back": snapshot,
    "`STATE_DELTA`": delta,
    "`STEP_*`, `CUSTOM`": steps,
    "the page's tools": page_tools,
    "interrupts and `resume`": interrupts,
    "images as data parts": images,
    "`attach`": attach,
    "`stop`": stopped,
    "a stopped run as an outcome, not an error": cancelled,
    "`history`": history,
}


def table() -> dict[str, dict[str, str]]:
    """The table of the page: a feature, and what it says for each version."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    (start,) = (number for number, line in enumerate(lines) if line.startswith("| of AG-UI |"))
    versions = [cell.strip() for cell in lines[start].strip("|").split("|")][1:]
    rows = {}
    for line in lines[start + 1 :]:
        feature, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if len(cells) != len(versions):
            break
        rows[feature] = dict(zip(versions, cells, strict=True))
    return rows


def test_the_table_has_a_row_for_each_check() -> None:
    assert list(table()) == list(CHECKS)


@pytest.mark.parametrize("version", PACKAGES)
@pytest.mark.parametrize("feature", CHECKS)
def test_the_table_says_what_the_client_does(serve: Serve, feature: str, version: str) -> None:
    works = CHECKS[feature](serve, PACKAGES[version])
    assert table()[feature][version] == ("yes" if works else "no")
