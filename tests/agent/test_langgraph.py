"""Compiled LangGraph graphs, with LangChain's own OpenAI client on a socket."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from tests.agent.fake_openai import DONE, USAGE, Lines, answering, call, chunk
from tests.agent.support import Serve
from tests.agent.test_strands_page_tools import SHOW, Conversation

pytestmark = pytest.mark.anyio


@pytest.fixture
def graphs() -> Any:
    """The graphs. They import LangGraph and OpenAI's client, seconds that no other test should take."""
    graphs = import_module("tests.agent.graphs")
    graphs.ran.clear()
    return graphs


def words(*said: str) -> Lines:
    return [chunk(role="assistant", content=""), *(chunk(content=one) for one in said), chunk("stop"), USAGE, DONE]


def calls(name: str, arguments: str) -> Lines:
    half = len(arguments) // 2
    first: dict[str, Any]
    second: dict[str, Any]
    first, second = (
        call(0, name, arguments[:half]),
        {"tool_calls": [{"index": 0, "function": {"arguments": arguments[half:]}}]},
    )
    return [chunk(role="assistant", **first), chunk(**second), chunk("tool_calls"), USAGE, DONE]


async def test_a_graph_calls_a_tool_and_answers_word_by_word(serve: Serve, graphs: Any) -> None:
    with answering(calls("weather", '{"city": "Rome"}'), words("It ", "rains.")) as (url, _):
        built = graphs.graph(url)
        reply = await serve(lambda run: built).ask("Weather in Rome?")
    assert [e["delta"] for e in reply.events if e["type"] == "TEXT_MESSAGE_CONTENT"] == ["It ", "rains."]
    assert "".join(e["delta"] for e in reply.events if e["type"] == "TOOL_CALL_ARGS") == '{"city": "Rome"}'
    assert [e["content"] for e in reply.events if e["type"] == "TOOL_CALL_RESULT"] == ["Rain in Rome."]
    steps = [(e["type"], e["stepName"]) for e in reply.events if "stepName" in e]
    assert steps == [
        (kind, name) for name in ("answer", "tools", "answer") for kind in ("STEP_STARTED", "STEP_FINISHED")
    ]
    assert reply.types[-1] == "RUN_FINISHED"
    assert sum(one["outputTokens"] for one in reply.events[-1]["usage"]) == 4


@pytest.mark.parametrize("own", [False, True], ids=["the core's history", "the graph's own"])
async def test_a_graph_remembers_the_conversation(serve: Serve, graphs: Any, own: bool) -> None:
    with answering(words("Rome."), words("Italy.")) as (url, asked):
        built = graphs.graph(url, graphs.InMemorySaver() if own else None)
        page = Conversation(serve(lambda run: built, session_from="header"), [])
        await page.ask("Where are you?")
        assert (await page.ask("And that is in?")).text == "Italy."
    said = [(one["role"], one["content"]) for one in asked[1]["body"]["messages"]]
    assert said == [("user", "Where are you?"), ("assistant", "Rome."), ("user", "And that is in?")]


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"status": "resolved", "payload": {"approved": True}}, "Sent to Eve."),
        ({"status": "cancelled"}, "The user refused."),
    ],
    ids=["approved", "cancelled"],
)
async def test_an_interrupt_waits_for_its_answer(serve: Serve, graphs: Any, payload: dict[str, Any], told: str) -> None:
    with answering(calls("send", '{"to": "Eve"}'), words("Done.")) as (url, asked):
        built = graphs.graph(url, graphs.InMemorySaver())
        page = Conversation(serve(lambda run: built, session_from="header"), [])
        first = await page.ask("Write to Eve.")
        (raised,) = first.events[-1]["outcome"]["interrupts"]
        assert raised["metadata"] == {"value": {"to": "Eve"}}
        page.messages = []
        assert (await page.send(resume=[{"interruptId": raised["id"], **payload}])).text == "Done."
    assert asked[1]["body"]["messages"][-1]["content"] == told


async def test_a_new_question_abandons_the_interrupt(serve: Serve, graphs: Any) -> None:
    with answering(calls("send", '{"to": "Eve"}'), words("As you like.")) as (url, asked):
        built = graphs.graph(url, graphs.InMemorySaver())
        page = Conversation(serve(lambda run: built, session_from="header"), [])
        await page.ask("Write to Eve.")
        assert (await page.ask("No, leave it.")).text == "As you like."
    assert [one["role"] for one in asked[1]["body"]["messages"]] == ["user", "assistant", "tool", "user"]


async def test_an_interrupt_without_a_checkpointer_is_an_error_whose_log_names_the_fix(
    serve: Serve, graphs: Any
) -> None:
    with answering(calls("send", '{"to": "Eve"}')) as (url, _):
        built = graphs.graph(url)
        server = serve(lambda run: built)
        assert (await server.ask("Write to Eve.")).code == "INTERNAL"
    assert "compile it with a checkpointer" in server.log()["stackTrace"]


async def test_a_pages_tool_is_called_and_answered(serve: Serve, graphs: Any) -> None:
    with answering(calls("show_map", '{"zoom": 3}'), words("You see Rome.")) as (url, asked):
        page = Conversation(serve(lambda run: graphs.graph(url, page=run.tools), session_from="header"), [SHOW])
        first = await page.ask("Show me Rome.")
        assert first.types[-1] == "RUN_FINISHED"
        assert (await page.answer(("call-0", "shown"))).text == "You see Rome."
    assert asked[1]["body"]["messages"][-1] == {"role": "tool", "content": "shown", "tool_call_id": "call-0"}


@pytest.mark.parametrize(
    ("cut", "code"),
    [
        ([chunk(role="assistant", content=""), chunk(content="Half a sen")], "MODEL_UNAVAILABLE"),
        ([chunk(role="assistant", content=""), chunk(content="Half"), DONE], "MODEL_UNAVAILABLE"),
        ([chunk(role="assistant", **call(0, "weather", '{"city": "Ro'))], "MODEL_UNAVAILABLE"),
        ([chunk(role="assistant", **call(0, "weather", '{"city": "Rome"}')), DONE], "MODEL_UNAVAILABLE"),
        (calls("weather", '{"city": "Ro'), "MODEL_OUTPUT_INVALID"),
        (words(), "MODEL_OUTPUT_INVALID"),
    ],
    ids=["text", "text and done", "arguments", "a whole call", "broken arguments", "empty"],
)
async def test_an_answer_that_the_model_did_not_finish_is_no_answer(
    serve: Serve, graphs: Any, cut: Lines, code: str
) -> None:
    with answering(cut) as (url, _):
        built = graphs.graph(url)
        assert (await serve(lambda run: built).ask("Weather?")).code == code
    assert not graphs.ran


@pytest.mark.parametrize(("status", "code"), [(429, "MODEL_THROTTLED"), (401, "MODEL_UNAVAILABLE")])
async def test_what_the_models_server_refuses_has_the_code_of_its_kind(
    serve: Serve, graphs: Any, status: int, code: str
) -> None:
    with answering([b'{"error": {"message": "sk-test", "code": "x"}}'], status=status, kind="application/json") as (
        url,
        _,
    ):
        built = graphs.graph(url)
        reply = await serve(lambda run: built).ask("Hi")
    assert reply.code == code
    assert "sk-test" not in "".join(reply.lines)


async def test_what_a_node_writes_to_the_stream_reaches_the_page(serve: Serve, graphs: Any) -> None:
    reply = await serve(lambda run: graphs.writing()).ask("Hi")
    assert reply.text == "Hello alice"
    assert [e["value"] for e in reply.events if e["type"] == "CUSTOM"] == [{"found": 1}]
    assert [e["snapshot"] for e in reply.events if e["type"] == "STATE_SNAPSHOT"] == [{"step": 2}]


async def test_the_example_asks_before_it_acts(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with answering(calls("refund", '{"order": 7}'), words("Done.")) as (url, asked):
        monkeypatch.setenv("AGENT_OPENAI_BASE_URL", f"{url}/v1")
        example = import_module("examples.langgraph_approval")
        page = Conversation(serve(example.build_agent, session_from="header"), [])
        (raised,) = (await page.ask("Refund order 7.")).events[-1]["outcome"]["interrupts"]
        assert raised["metadata"] == {"value": {"question": "Refund order 7?"}}
        page.messages = []
        answer = {"interruptId": raised["id"], "status": "resolved", "payload": {"approved": True}}
        assert (await page.send(resume=[answer])).text == "Done."
    assert asked[1]["body"]["messages"][-1]["content"] == "Order 7 is refunded."
