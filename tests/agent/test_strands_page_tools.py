"""The page's tools, interrupts, media and progress of a Strands agent, over a real socket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from ag_ui.core import StateSnapshotEvent
from strands import Agent, tool
from strands.hooks import BeforeToolCallEvent

from local.doubles.fake_model import FakeModel, ToolCall
from tests.agent.support import Reply, Serve, Server, new_session

pytestmark = pytest.mark.anyio

SHOW = {"name": "show_map", "description": "Show a map.", "parameters": {"type": "object", "properties": {}}}
PIXEL = base64.b64encode(b"\x89PNG not quite").decode()

_sent: list[str] = []


@tool
def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"Rain in {city}."


@tool
def send(to: str) -> str:
    """Send a letter.

    Args:
        to: To whom.
    """
    _sent.append(to)
    return f"Sent to {to}."


def agent_of(model: FakeModel, *tools: Any) -> Any:
    """Return a `build_agent` of one conversation, whose model goes on with its list of answers from run to run."""

    def build(run: Any, model: Any, history: Any) -> Agent:
        return Agent(model=fake, messages=history, tools=list(tools), callback_handler=None)

    fake = model
    return build


class Conversation:
    """A stock client's: it keeps the messages and sends them all, with its tools."""

    def __init__(self, server: Server, tools: list[dict[str, Any]]) -> None:
        self.server = server
        self.session = new_session()
        self.messages: list[dict[str, Any]] = []
        self.tools = tools
        self.runs = 0

    async def send(self, *messages: dict[str, Any], **more: Any) -> Reply:
        self.runs += 1
        self.messages += messages
        body = {
            "threadId": self.session,
            "runId": f"run-{self.runs}",
            "messages": self.messages,
            "tools": self.tools,
            "context": [],
            "state": {},
            "forwardedProps": {},
            **more,
        }
        reply = await self.server.ask(body, session=self.session)
        self.hear(reply)
        return reply

    def hear(self, reply: Reply) -> None:
        """Keep what was answered, as a client does."""
        calls = [event for event in reply.events if event["type"] == "TOOL_CALL_START"]
        functions = [{"name": call["toolCallName"], "arguments": "{}"} for call in calls]
        said: dict[str, Any] = {"id": f"a{self.runs}", "role": "assistant", "content": reply.text}
        if calls:
            said["toolCalls"] = [
                {"id": call["toolCallId"], "type": "function", "function": function}
                for call, function in zip(calls, functions, strict=True)
            ]
        self.messages.append(said)
        for event in reply.events:
            if event["type"] == "TOOL_CALL_RESULT":
                result = {"id": event["messageId"], "role": "tool", "toolCallId": event["toolCallId"]}
                self.messages.append({**result, "content": event["content"]})

    async def ask(self, text: Any, **more: Any) -> Reply:
        return await self.send({"id": f"q{self.runs}", "role": "user", "content": text}, **more)

    async def answer(self, *results: tuple[str, str]) -> Reply:
        sent = [
            {"id": f"r-{call_id}", "role": "tool", "toolCallId": call_id, "content": content}
            for call_id, content in results
        ]
        return await self.send(*sent)


def talk(serve: Serve, model: FakeModel, *tools: Any, page: list[dict[str, Any]] | None = None, **settings: Any) -> Any:
    server = serve(agent_of(model, *tools), session_from="header", **settings)
    return Conversation(server, [SHOW] if page is None else page)


async def test_a_call_of_the_pages_tool_ends_the_run_and_its_result_continues_it(serve: Serve) -> None:
    model = FakeModel(["Look.", ToolCall("show_map", {"zoom": 3}, id="m1")], "You see Paris.", "Bye.")
    page = talk(serve, model, weather)
    first = await page.ask("Where is Paris?")
    assert first.code is None
    assert first.types[-1] == "RUN_FINISHED"
    assert "TOOL_CALL_RESULT" not in first.types
    assert page.server.log()["outcome"] == "interrupted"
    assert (await page.answer(("m1", "shown"))).text == "You see Paris."
    assert model.requests[0].tools == ["weather", "show_map"]
    assert model.requests[1].results == {"show_map": "shown"}
    assert (await page.ask("Thanks.")).text == "Bye."
    roles = [message["role"] for message in model.requests[2].messages]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    assert model.requests[2].results == {"show_map": "shown"}


async def test_two_calls_beside_one_of_the_agents_own_are_answered_in_one_message(serve: Serve) -> None:
    calls = [ToolCall("show_map", {}, id="m1"), ToolCall("weather", {"city": "Paris"}, id="w1")]
    model = FakeModel([*calls, ToolCall("show_map", {}, id="m2")], "Done.")
    page = talk(serve, model, weather)
    first = await page.ask("Show me.")
    results = [event for event in first.events if event["type"] == "TOOL_CALL_RESULT"]
    assert [(one["toolCallId"], one["content"]) for one in results] == [("w1", "Rain in Paris.")]
    second = await page.answer(("m1", "left"), ("m2", "right"))
    assert second.text == "Done.", second.events
    last = model.requests[1].messages[-1]["content"]
    answered = {block["toolResult"]["toolUseId"]: block["toolResult"]["content"][0]["text"] for block in last}
    assert answered == {"m1": "left", "m2": "right", "w1": "Rain in Paris."}


async def test_a_page_that_asks_instead_of_answering_has_its_call_answered_for_it(serve: Serve) -> None:
    model = FakeModel(ToolCall("show_map", {}, id="m1"), "Never mind.")
    page = talk(serve, model)
    await page.ask("Show me.")
    assert (await page.ask("Forget it.")).text == "Never mind."
    (result, text) = model.requests[1].messages[-1]["content"]
    assert result["toolResult"]["status"] == "error"
    assert text["text"] == "Forget it."


async def test_a_page_cannot_replace_a_tool_of_the_agent(serve: Serve) -> None:
    model = FakeModel(ToolCall("weather", {"city": "Rome"}), "Done.")
    page = talk(serve, model, weather, page=[{**SHOW, "name": "weather"}])
    reply = await page.ask("Weather?")
    assert "Rain in Rome." in [event.get("content") for event in reply.events]
    assert reply.text == "Done."


async def test_a_tool_that_no_model_takes_is_refused(serve: Serve) -> None:
    page = talk(serve, FakeModel("Hi"), page=[{**SHOW, "name": "show map!"}])
    assert (await page.ask("Hi")).code == "INVALID_INPUT"


class Approval:
    """Asks before a letter is sent."""

    def register_hooks(self, registry: Any, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self.ask)

    def ask(self, event: BeforeToolCallEvent) -> None:
        if event.tool_use["name"] == "send":
            answer = event.interrupt("approval", reason={"to": event.tool_use["input"]["to"]})
            if answer != {"approved": True}:
                event.cancel_tool = "The user refused."


def careful(model: FakeModel) -> Any:
    def build(run: Any, model: Any, history: Any) -> Agent:
        tools = [send, weather]
        return Agent(model=fake, messages=history, tools=tools, hooks=[Approval()], callback_handler=None)

    fake = model
    return build


@pytest.mark.parametrize(
    ("answer", "sent", "told"),
    [
        ({"status": "resolved", "payload": {"approved": True}}, ["Eve"], "Sent to Eve."),
        ({"status": "resolved", "payload": {"approved": False}}, [], "The user refused."),
        ({"status": "cancelled"}, [], "The user refused."),
    ],
    ids=["approved", "refused", "cancelled"],
)
async def test_an_interrupt_ends_the_run_and_an_answer_takes_it_up(
    serve: Serve, answer: dict[str, Any], sent: list[str], told: str
) -> None:
    _sent.clear()
    calls = [ToolCall("send", {"to": "Eve"}, id="s1"), ToolCall("weather", {"city": "Rome"}, id="w1")]
    model = FakeModel(calls, "All done.", "Yes.")
    page = Conversation(serve(careful(model), session_from="header"), [])
    first = await page.ask("Write to Eve.")
    outcome = first.events[-1]["outcome"]
    (interrupt,) = outcome["interrupts"]
    assert (outcome["type"], interrupt["reason"], interrupt["metadata"]) == (
        "interrupt",
        "approval",
        {"reason": {"to": "Eve"}},
    )
    assert page.server.log()["outcome"] == "interrupted"
    assert not _sent
    page.messages = []
    second = await page.send(resume=[{"interruptId": interrupt["id"], **answer}])
    assert second.text == "All done."
    assert _sent == sent
    assert model.requests[1].results == {"send": told, "weather": "Rain in Rome."}
    assert (await page.ask("Is it?")).text == "Yes."
    assert model.requests[2].results == model.requests[1].results


async def test_a_new_question_abandons_the_interrupt(serve: Serve) -> None:
    _sent.clear()
    model = FakeModel(ToolCall("send", {"to": "Eve"}, id="s1"), "As you like.")
    page = Conversation(serve(careful(model), session_from="header"), [])
    await page.ask("Write to Eve.")
    assert (await page.ask("No, leave it.")).text == "As you like."
    assert not _sent


async def test_what_a_tool_tells_before_its_result_reaches_the_page(serve: Serve) -> None:
    @tool
    async def search(query: str) -> AsyncIterator[Any]:
        """Search.

        Args:
            query: For what.
        """
        yield {"found": 1}
        yield StateSnapshotEvent(snapshot={"query": query})
        yield object()
        await asyncio.sleep(0)
        yield "One page."

    model = FakeModel(ToolCall("search", {"query": "x"}, id="c1"), "Found.")
    reply = await talk(serve, model, search).ask("Find x.")
    custom = [event["value"] for event in reply.events if event["type"] == "CUSTOM"]
    assert custom[0] == {"toolCallId": "c1", "data": {"found": 1}}
    assert [event["snapshot"] for event in reply.events if event["type"] == "STATE_SNAPSHOT"] == [{"query": "x"}]
    assert model.requests[1].results == {"search": "One page."}
    assert "object" not in json.dumps(custom)


def image(mime: str = "image/png") -> dict[str, Any]:
    return {"type": "image", "source": {"type": "data", "value": PIXEL, "mimeType": mime}}


@pytest.mark.parametrize("keep", ["note", "keep"])
async def test_an_image_reaches_the_model_and_the_history_keeps_it_or_a_note(serve: Serve, keep: str) -> None:
    model = FakeModel("A pixel.", "It was one.")
    page = talk(serve, model, page=[], keep_media=keep)
    await page.ask([{"type": "text", "text": "What is this?"}, image()])
    blocks = model.requests[0].messages[0]["content"]
    assert blocks[1] == {"image": {"format": "png", "source": {"bytes": base64.b64decode(PIXEL)}}}
    assert (await page.ask("Really?")).text == "It was one."
    kept = model.requests[1].messages[0]["content"]
    assert kept == (blocks if keep == "keep" else [blocks[0], {"text": "[image left out of the history]"}])


async def test_what_the_model_cannot_take_is_refused_by_a_code_of_its_own(serve: Serve) -> None:
    class OllamaModel(FakeModel):
        """Strands' provider of that name takes images only."""

    page = talk(serve, OllamaModel("no"), page=[])
    source = {"type": "data", "value": PIXEL, "mimeType": "application/pdf"}
    assert (await page.ask([{"type": "document", "source": source}])).code == "MEDIA_UNSUPPORTED"


@pytest.mark.parametrize(("mode", "code"), [("model", None), ("run", "TOOL_FAILED")])
async def test_a_tool_that_fails_is_told_to_the_model_or_ends_the_run(
    serve: Serve, mode: str, code: str | None
) -> None:
    @tool
    def broken() -> str:
        """Break."""
        raise TimeoutError("password=hunter2")

    model = FakeModel(ToolCall("broken"), "It failed, sorry.")
    page = talk(serve, model, broken, tool_errors=mode)
    reply = await page.ask("Try.")
    assert reply.code == code
    assert "hunter2" not in "".join(reply.lines)
    if code is None:
        assert model.requests[1].results == {"broken": "The tool failed (TimeoutError)."}
        line = page.server.log("tool failed")
        assert (line["tool"], "hunter2" in line["stackTrace"]) == ("broken", True)
