"""What a tool does wrong ends its own run at most, and its words stay in the log."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pydantic import TypeAdapter
from strands import Agent, tool
from strands.hooks import AfterToolCallEvent
from strands.types.tools import ToolResult

from agent.message_events import MAX_RESULT_CHARS
from tests.agent.support import Serve, having

pytestmark = pytest.mark.anyio


@pytest.fixture
def serve(serve: Serve) -> Serve:
    """A server on which a tool that fails ends its run."""
    return partial(serve, tool_errors="run")


SECRET = "hunter2"


def parses_arguments() -> None:
    argparse.ArgumentParser(exit_on_error=True).parse_args(["--no-such-option"])


def finds_nothing() -> None:
    next(name for name in ["a", "b"] if name == "c")


def is_interrupted() -> None:
    raise KeyboardInterrupt


class OutOfTheOrdinary(BaseException):
    pass


def is_out_of_the_ordinary() -> None:
    raise OutOfTheOrdinary(SECRET)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["def", "async def"])
@pytest.mark.parametrize("mistake", [parses_arguments, finds_nothing, is_interrupted, is_out_of_the_ordinary])
async def test_whatever_a_tool_raises_ends_its_own_run_and_no_other(
    serve: Serve, mistake: Callable[[], None], asynchronous: bool
) -> None:
    def fail() -> None:
        """Fail."""
        mistake()

    async def fail_asynchronously() -> None:
        """Fail."""
        mistake()

    server = serve(having(tool(name="fail")(fail_asynchronously if asynchronous else fail)))
    # A StopIteration that reaches a future is never delivered: the run would wait for its limit.
    reply = await asyncio.wait_for(server.ask("[words=1 pause=0 tool=fail]"), 5)
    assert reply.code == "TOOL_FAILED"
    assert SECRET not in "".join(reply.lines)
    assert mistake.__name__ in server.log()["stackTrace"]
    assert (await server.ask("Hi [words=1 pause=0]")).code is None


async def test_a_tool_that_waits_for_a_cancelled_task_has_failed(serve: Serve) -> None:
    @tool
    async def wait_for_it() -> None:
        """Wait for a task that somebody cancels."""
        task = asyncio.ensure_future(asyncio.sleep(3600))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task

    assert (await serve(having(wait_for_it)).ask("[words=1 pause=0 tool=wait_for_it]")).code == "TOOL_FAILED"


@pytest.mark.parametrize(
    "mistake",
    [lambda: json.loads(f"{SECRET}{{"), lambda: SECRET.encode().decode("utf-7x"), b"\xff".decode, None],
    ids=["JSONDecodeError", "LookupError", "UnicodeDecodeError", "ValidationError"],
)
async def test_only_a_plain_value_error_is_about_the_arguments(serve: Serve, mistake: Any) -> None:
    @tool
    def ask_a_backend() -> None:
        """Read a backend's answer."""
        if mistake:
            mistake()
        TypeAdapter(int).validate_json("null")

    server = serve(having(ask_a_backend))
    assert (await server.ask("[words=1 pause=0 tool=ask_a_backend]")).code == "TOOL_FAILED"


class McpServer:
    """Answers as Strands' client does when a server, or the way to it, fails."""

    async def call_tool_async(self, tool_use_id: str, **_: Any) -> ToolResult:
        text = f"Tool execution failed: connect postgres://admin:{SECRET}@db.internal"
        return {"toolUseId": tool_use_id, "status": "error", "content": [{"text": text}]}


async def test_the_error_of_an_mcp_server_is_a_failure_and_its_text_stays_in_the_log(serve: Serve) -> None:
    from mcp.types import Tool  # noqa: PLC0415 - a second of imports, for this test only
    from strands.tools.mcp import MCPAgentTool  # noqa: PLC0415

    client: Any = McpServer()
    remote = MCPAgentTool(Tool.model_validate({"name": "look_up", "inputSchema": {"type": "object"}}), client)
    server = serve(having(remote))
    reply = await server.ask("[words=1 pause=0 tool=look_up]")
    assert reply.code == "TOOL_FAILED"
    assert [event["content"] for event in reply.events if "content" in event] == ["The tool failed (RuntimeError)."]
    assert SECRET not in "".join(reply.lines)
    assert SECRET in server.log()["stackTrace"]


async def test_a_tool_that_works_at_the_second_attempt_has_not_failed(serve: Serve) -> None:
    attempts = 0

    @tool
    def flaky() -> str:
        """Work every other time."""
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError
        return "done"

    def build(run: Any, model: Any, history: Any) -> Agent:
        agent = having(flaky)(run, model, history)

        def again(event: AfterToolCallEvent) -> None:
            event.retry = event.exception is not None

        agent.add_hook(again, AfterToolCallEvent)
        return agent

    assert (await serve(build).ask("[words=1 pause=0 tool=flaky]")).code is None
    assert attempts == 2


async def test_an_agent_of_an_earlier_run_is_refused_with_what_to_do(serve: Serve) -> None:
    agents: list[Agent] = []

    def build(run: Any, model: Any, history: Any) -> Agent:
        if not agents:
            agents.append(Agent(model=model, callback_handler=None))
        return agents[0]

    server = serve(build)
    assert (await server.ask("Hi [words=1 pause=0]")).code is None
    server.log()
    assert (await server.ask("Hi [words=1 pause=0]", user="bob")).code == "INTERNAL"
    assert "make a new one each time" in server.log()["stackTrace"]


async def test_the_agents_own_tool_named_wait_stays(serve: Serve) -> None:
    @tool
    def wait() -> str:
        """Wait in another way."""
        return "mine"

    reply = await serve(having(wait)).ask("[words=1 pause=0 tool=wait]")
    assert [event["content"] for event in reply.events if "content" in event] == ["mine"]


@pytest.mark.parametrize("size", [MAX_RESULT_CHARS, MAX_RESULT_CHARS + 7])
async def test_a_long_result_is_told_shortened_and_heard_whole(serve: Serve, size: int) -> None:
    agents: list[Agent] = []

    @tool
    def read() -> str:
        """Read a long text."""
        return "é" * size

    def build(run: Any, model: Any, history: Any) -> Agent:
        agents.append(having(read)(run, model, history))
        return agents[0]

    reply = await serve(build).ask("[words=1 pause=0 tool=read]")
    (told,) = [event["content"] for event in reply.events if "content" in event]
    assert told.rstrip("\n").startswith("é" * MAX_RESULT_CHARS)
    assert ("[7 more characters are not shown]" in told) == (size > MAX_RESULT_CHARS)
    (heard,) = [
        block["toolResult"]["content"][0]["text"]
        for message in agents[0].messages
        for block in message["content"]
        if "toolResult" in block
    ]
    assert heard == "é" * size
