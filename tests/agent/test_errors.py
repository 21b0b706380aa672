"""Every failure is one RUN_ERROR with its code, a safe sentence, and a reference that is in the log."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from strands import Agent, tool

from agent import app
from agent.errors import AgentError, Code, classify
from tests.agent.support import ORIGIN, Serve, new_session

pytestmark = pytest.mark.anyio


@pytest.fixture
def serve(serve: Serve) -> Serve:
    """A server on which a tool that fails ends its run."""
    return partial(serve, tool_errors="run")


SECRET = "hunter2"

FAILURES = {
    "throttled": "MODEL_THROTTLED",
    "unavailable": "MODEL_UNAVAILABLE",
    "context": "CONTEXT_TOO_LONG",
    "internal": "INTERNAL",
    "secret": "INTERNAL",
}


@pytest.mark.parametrize("at", [0, 2], ids=["before the first word", "in mid-answer"])
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failing_model_is_told_by_its_code_alone(serve: Serve, failure: str, at: int) -> None:
    server = serve()
    reply = await server.ask(f"[words=5 pause=0 fail={failure} at={at}]")
    assert reply.response.status_code == 200
    assert reply.code == FAILURES[failure]
    assert len(reply.text.split()) == at
    assert SECRET not in "".join(reply.lines)
    assert "Traceback" not in "".join(reply.lines)

    line = server.log()
    assert (line["outcome"], line["code"]) == ("error", FAILURES[failure])
    assert line["reference"] in reply.events[-1]["message"]
    assert line["stackTrace"]


async def test_the_text_of_an_exception_is_in_the_log_and_nowhere_else(serve: Serve) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        yield "word"
        raise RuntimeError(f"password={SECRET}")

    server = serve(build)
    reply = await server.ask("Hi")
    assert reply.code == "INTERNAL"
    assert SECRET not in str(reply.response.headers) + "".join(reply.lines)
    assert SECRET in server.log()["stackTrace"]


async def test_an_agent_that_cannot_be_built_is_an_error_not_a_status(serve: Serve) -> None:
    def build(run: Any, model: Any, history: Any) -> Agent:
        raise KeyError(SECRET)

    reply = await serve(build).ask("Hi")
    assert (reply.response.status_code, reply.code) == (200, "INTERNAL")
    assert SECRET not in "".join(reply.lines)


async def test_a_mistake_in_checking_a_request_is_an_error_not_a_status(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*args: Any, **kwargs: Any) -> None:
        raise TypeError(SECRET)

    monkeypatch.setattr(app, "command_of", mistaken)
    server = serve()
    reply = await server.ask("Hi")
    assert (reply.response.status_code, reply.code) == (200, "INTERNAL")
    assert SECRET not in "".join(reply.lines)
    assert server.log()["outcome"] == "error"


async def test_an_agent_that_exits_ends_its_own_run_only(serve: Serve) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        yield "word"
        if run.prompt == "exit":
            sys.exit(3)

    server = serve(build)
    assert (await server.ask("exit")).code == "INTERNAL"
    assert (await server.ask("stay")).code is None


def failing_tool(error: Exception) -> Any:
    @tool
    def fail() -> str:
        """Fail."""
        raise error

    def build(run: Any, model: Any, history: Any) -> Agent:
        return Agent(model=model, messages=history, tools=[fail], callback_handler=None)

    return build


async def test_a_tool_that_fails_ends_the_run_before_the_model_hears_of_it(serve: Serve) -> None:
    server = serve(failing_tool(OSError(f"password={SECRET}")))
    reply = await server.ask("[words=3 pause=0 tool=fail]")
    assert reply.code == "TOOL_FAILED"
    assert reply.text == ""
    assert SECRET not in "".join(reply.lines)
    line = server.log()
    assert SECRET in line["stackTrace"]
    assert line["OutputTokens"] > 0  # a failed run has cost its tokens too


async def test_a_tool_that_refuses_its_arguments_lets_the_model_go_on(serve: Serve) -> None:
    server = serve(failing_tool(ValueError(f"password={SECRET}")))
    reply = await server.ask("[words=3 pause=0 tool=fail]")
    assert reply.types[-1] == "RUN_FINISHED"
    (result,) = [event["content"] for event in reply.events if event["type"] == "TOOL_CALL_RESULT"]
    assert result == "The tool refused these arguments."
    assert SECRET not in "".join(reply.lines)
    line = server.log("tool refused")
    assert line["errorType"] == "ValueError"
    assert SECRET not in json.dumps(line)


@pytest.mark.parametrize(
    ("directive", "code"),
    [
        ("tool=wait broken=true", "TOOL_FAILED"),
        ("tool=wait seconds=soon", None),
        ("tool=current_time timezone=Mars", None),
    ],
)
async def test_the_tools_of_the_demonstration_can_be_made_to_fail(
    serve: Serve, directive: str, code: str | None
) -> None:
    reply = await serve().ask(f"[words=1 pause=0 {directive}]")
    assert reply.code == code
    assert SECRET not in "".join(reply.lines)


async def test_a_tool_may_tell_the_model_what_went_wrong(serve: Serve) -> None:
    @tool
    def look_up() -> dict[str, Any]:
        """Look something up."""
        return {"status": "error", "content": [{"text": "There is no such order."}]}

    def build(run: Any, model: Any, history: Any) -> Agent:
        return Agent(model=model, tools=[look_up], callback_handler=None)

    reply = await serve(build).ask("[words=1 pause=0 tool=look_up]")
    assert "There is no such order." in "".join(reply.lines)
    assert reply.types[-1] == "RUN_FINISHED"


async def test_a_tool_that_does_not_exist_lets_the_model_go_on(serve: Serve) -> None:
    assert (await serve().ask("[words=1 pause=0 tool=nothing]")).types[-1] == "RUN_FINISHED"


@pytest.mark.parametrize("given", [None, "", "wrong", "currently", "Current", "cürrent"])
async def test_without_an_accepted_origin_secret_nothing_is_answered(serve: Serve, given: str | None) -> None:
    server = serve(origin_secret="current", origin_secret_previous="previous")
    headers: dict[str, Any] = {} if given is None else {ORIGIN: given.encode()}
    reply = await server.ask("Hi [words=1 pause=0]", headers=headers)
    assert (reply.response.status_code, reply.types, reply.code) == (200, ["RUN_ERROR"], "ORIGIN_FORBIDDEN")
    assert server.log()["outcome"] == "refused"


@pytest.mark.parametrize("given", ["current", "previous"])
async def test_the_current_and_the_previous_origin_secret_are_accepted(serve: Serve, given: str) -> None:
    server = serve(origin_secret="current", origin_secret_previous="previous")
    assert (await server.ask("Hi [words=1 pause=0]", headers={ORIGIN: given})).code is None


async def test_without_an_origin_secret_in_the_settings_the_check_is_off(serve: Serve) -> None:
    assert (await serve().ask("Hi [words=1 pause=0]", headers={ORIGIN: "anything"})).code is None


async def test_bad_json_under_a_forbidden_origin_tells_nothing_of_the_agent(serve: Serve) -> None:
    server = serve(origin_secret="current")
    assert (await server.ask(b"{", session=new_session())).response.status_code == 200


def test_a_failure_is_recognised_through_what_wraps_it() -> None:
    class WrappingError(Exception):
        original_exception = AgentError(Code.TOOL_FAILED)

    assert classify(WrappingError()).code == Code.TOOL_FAILED
    assert classify(RuntimeError()).code == Code.INTERNAL


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_sentence(code: Code) -> None:
    assert AgentError(code).message.endswith(".")
