"""What is told as success is one: a model's stream that does not finish, or finishes with nothing, is an error.

The model is Strands' own Bedrock provider on a socket, so that what is cut is cut where a network cuts it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from strands import Agent, tool
from strands.models import Model

from agent.errors import AgentError, Code
from tests.agent.fake_bedrock import Answer, Connection, FakeBedrock, fake_bedrock
from tests.agent.support import Serve, Server, having, new_session

pytestmark = pytest.mark.anyio

Start = Callable[..., tuple[Server, FakeBedrock]]

_ran: list[str] = []


@tool
def tidy(folder: str = "/data", force: bool = True) -> str:
    """Tidy a folder.

    Args:
        folder: Which one.
        force: Whether to remove what is in the way.
    """
    _ran.append(folder)
    return f"Tidied {folder}."


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    _ran.clear()


@pytest.fixture
def start(serve: Serve, aws: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start an agent with the tool `tidy` on a Bedrock that answers with each of `answers` in turn."""
    with ExitStack() as stack:

        def begin(*answers: Answer) -> tuple[Server, FakeBedrock]:
            turns = iter(answers)

            def answer(connection: Connection) -> None:
                next(turns)(connection)

            fake = stack.enter_context(fake_bedrock(answer))
            aws.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", fake.url)
            return serve(having(tidy), model="bedrock:anthropic.test", region="eu-west-1"), fake

        yield begin


def speak(connection: Connection) -> None:
    connection.start()
    connection.say("Hello there.")
    connection.finish()


def cut_in_a_sentence(connection: Connection) -> None:
    connection.start()
    connection.say("Half a sen")
    connection.cut()


def cut_between_blocks(connection: Connection) -> None:
    connection.start()
    connection.say("A whole sentence.")
    connection.end_block()
    connection.cut()


def cut_after_reasoning(connection: Connection) -> None:
    connection.start()
    connection.think("Let me see.")
    connection.end_block()
    connection.cut()


def cut_before_any_text(connection: Connection) -> None:
    connection.start()
    connection.cut()


def cut_in_arguments(connection: Connection) -> None:
    connection.start()
    connection.call("tidy", '{"folder": "/data/scra')
    connection.cut()


def cut_after_a_call(connection: Connection) -> None:
    connection.start()
    connection.call("tidy", '{"folder": "/data"}')
    connection.end_block()
    connection.cut()


@pytest.mark.parametrize(
    "cut",
    [
        cut_in_a_sentence,
        cut_between_blocks,
        cut_after_reasoning,
        cut_before_any_text,
        cut_in_arguments,
        cut_after_a_call,
    ],
)
async def test_a_stream_without_its_stop_reason_is_a_failure_and_no_turn(start: Start, cut: Answer) -> None:
    server, fake = start(cut, speak)
    session = new_session()
    reply = await server.ask("First", session=session)
    line = server.log()
    assert reply.code == "MODEL_UNAVAILABLE"
    assert (line["outcome"], line["code"]) == ("error", "MODEL_UNAVAILABLE")
    assert not _ran
    assert (await server.ask("Second", session=session)).text == "Hello there."
    assert fake.requests[-1]["body"]["messages"] == [{"role": "user", "content": [{"text": "Second"}]}]


async def test_broken_arguments_are_told_to_the_model_and_the_tool_does_not_run(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(connection: Connection) -> None:
        connection.start()
        connection.call("tidy", '{"folder": ', '"/data/scra')
        connection.end_block()
        connection.stop("tool_use")

    server, fake = start(broken, speak)
    reply = await server.ask("Tidy up")
    line = server.log("tool not run")
    assert reply.code is None
    assert not _ran
    (result,) = fake.requests[1]["body"]["messages"][-1]["content"]
    assert "JSON" in result["toolResult"]["content"][0]["text"]
    assert (line["tool"], line["level"]) == ("tidy", "WARNING")
    assert "scra" not in json.dumps(line) + caplog.text  # arguments are the caller's words


@pytest.mark.parametrize("pieces", [(), ("",), ("  ", " ")], ids=["none", "empty", "blank"])
async def test_a_call_without_arguments_has_an_empty_object_for_them(start: Start, pieces: tuple[str, ...]) -> None:
    def bare(connection: Connection) -> None:
        connection.start()
        connection.call("tidy", *pieces)
        connection.end_block()
        connection.stop("tool_use")

    server, _ = start(bare, speak)
    reply = await server.ask("Tidy up")
    arguments = [event for event in reply.events if event["type"] == "TOOL_CALL_ARGS"]
    assert [event["delta"] for event in arguments] == ["{}"]
    assert reply.types.index("TOOL_CALL_ARGS") < reply.types.index("TOOL_CALL_END")
    assert _ran == ["/data"]


def malformed(connection: Connection) -> None:
    connection.start()
    connection.stop("malformed_model_output")


def malformed_after_text(connection: Connection) -> None:
    connection.start()
    connection.say("I will")
    connection.finish("malformed_tool_use")


def empty(connection: Connection) -> None:
    connection.start()
    connection.stop("end_turn")


def blank(connection: Connection) -> None:
    connection.start()
    connection.say(" \n")
    connection.finish()


def nothing_but_thoughts(connection: Connection) -> None:
    connection.start()
    connection.think("Hm.")
    connection.finish()


@pytest.mark.parametrize("nothing", [malformed, malformed_after_text, empty, blank, nothing_but_thoughts])
async def test_an_answer_that_is_empty_or_malformed_is_an_error_that_says_so(start: Start, nothing: Answer) -> None:
    server, fake = start(nothing, speak)
    session = new_session()
    reply = await server.ask("First", session=session)
    line = server.log()
    assert reply.code == "MODEL_OUTPUT_INVALID"
    assert reply.events[-1]["message"].startswith("The model")
    assert line["InputTokens"] == 5  # it has cost its tokens all the same
    assert (await server.ask("Second", session=session)).text == "Hello there."
    assert len(fake.requests[-1]["body"]["messages"]) == 1


async def test_a_model_of_the_authors_own_is_held_to_the_same(serve: Serve) -> None:
    class Own(Model):
        def update_config(self, **model_config: Any) -> None: ...

        def get_config(self) -> dict[str, Any]:
            return {}

        async def structured_output(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError
            yield

        async def stream(self, *args: Any, **kwargs: Any) -> Any:
            yield {"messageStart": {"role": "assistant"}}
            yield {"contentBlockDelta": {"delta": {"text": "Half"}}}

    server = serve(lambda run, model, history: Agent(model=Own(), callback_handler=None))
    assert (await server.ask("Hi")).code == "MODEL_UNAVAILABLE"


async def test_an_errors_text_with_half_a_character_still_reaches_caller_and_log(serve: Serve) -> None:
    async def agent(run: Any, model: Any, history: Any) -> Any:
        yield "Hi"
        raise AgentError(Code.TOOL_FAILED, "No such file: caf\ud83d.txt")

    server = serve(agent)
    reply = await server.ask("Hi")
    assert reply.code == "TOOL_FAILED"
    assert reply.events[-1]["message"].startswith("No such file: caf�.txt")
    assert server.log()["code"] == "TOOL_FAILED"


@pytest.mark.parametrize(
    ("directive", "code"),
    [
        ("fail=cut", "MODEL_UNAVAILABLE"),
        ("fail=cut at=4", "MODEL_UNAVAILABLE"),
        ("fail=cut at=9", "MODEL_UNAVAILABLE"),
        ("fail=cut think=3", "MODEL_UNAVAILABLE"),
        ("fail=cut-call tool=current_time timezone=UTC", "MODEL_UNAVAILABLE"),
        ("fail=malformed", "MODEL_OUTPUT_INVALID"),
        ("fail=empty", "MODEL_OUTPUT_INVALID"),
        ("fail=bad-call tool=current_time timezone=UTC", None),
    ],
)
async def test_the_scripted_model_can_do_each_of_these(serve: Serve, directive: str, code: str | None) -> None:
    reply = await serve().ask(f"Hi [words=9 pause=0 {directive}]")
    assert reply.code == code
    if "bad-call" in directive:
        (result,) = (event["content"] for event in reply.events if event["type"] == "TOOL_CALL_RESULT")
        assert "JSON" in result
        assert len(reply.text.split()) == 9
