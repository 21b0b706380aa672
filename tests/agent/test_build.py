"""What `build_agent` may return, and what its author hears about anything else."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strands import Agent

from agent.eventlog import encode
from agent.strands.events import Translation
from agent.text import SurrogateJoiner
from tests.agent.support import DEADLINE, Serve, until

pytestmark = pytest.mark.anyio


async def test_a_coroutine_function_may_build_the_agent(serve: Serve) -> None:
    async def build(run: Any, model: Any, history: Any) -> Agent:
        return Agent(model=model, messages=history, callback_handler=None)

    assert (await serve(build).ask("Hi [words=1 pause=0]")).types[-1] == "RUN_FINISHED"


async def test_a_plain_function_that_blocks_holds_up_no_other_stream(serve: Serve) -> None:
    gate = threading.Event()

    def build(run: Any, model: Any, history: Any) -> Agent:
        if run.prompt == "Wait":
            gate.wait(DEADLINE)
        return Agent(model=model, messages=history, callback_handler=None)

    server = serve(build, detect_blocking=True)
    async with server.open("Wait") as response:
        lines = response.aiter_lines()
        await until(lines, "RUN_STARTED")
        assert (await server.ask("Hi [words=1 pause=0]")).types[-1] == "RUN_FINISHED"
        gate.set()
        await until(lines, "RUN_FINISHED")
    assert server.log()["outcome"] == "completed"


async def test_any_object_that_gives_words_asynchronously_is_an_agent(serve: Serve) -> None:
    class Words:
        def __init__(self) -> None:
            self.left = ["you ", "said"]

        def __aiter__(self) -> Words:
            return self

        async def __anext__(self) -> str:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    assert (await serve(lambda *_: Words()).ask("Hi")).text == "you said"


def words(*_: Any) -> Iterator[str]:
    yield "word"


async def coroutine(*_: Any) -> str:
    return "word"


@pytest.mark.parametrize(
    ("build", "what"),
    [
        (lambda *_: None, "None"),
        (lambda *_: "word", "a str"),
        (lambda *_: int, "a type"),
        (words, "a generator"),
        (coroutine, "a str"),
    ],
    ids=["None", "str", "class", "generator", "coroutine"],
)
async def test_what_is_no_agent_is_named_with_what_to_return(serve: Serve, build: Any, what: str) -> None:
    server = serve(build)
    reply = await server.ask("Hi")
    assert reply.code == "INTERNAL"
    sentence = f"build_agent returned {what}; return a Strands agent, a compiled LangGraph graph"
    assert sentence in server.log()["stackTrace"]
    assert "build_agent" not in reply.events[-1]["message"]


@pytest.mark.parametrize("said", [None, 0, b"word", {"data": "word"}], ids=str)
async def test_what_is_no_word_is_named_with_what_to_yield(serve: Serve, said: Any) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[Any]:
        yield "word"
        yield said

    server = serve(build)
    assert (await server.ask("Hi")).code == "INTERNAL"
    assert f"yielded a {type(said).__name__}; yield str or AG-UI events" in server.log()["stackTrace"]


async def test_strands_own_printing_of_every_word_is_turned_off(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(run: Any, model: Any, history: Any) -> Agent:
        return Agent(model=model)

    reply = await serve(build).ask("Hi [words=5 pause=0]")
    assert reply.text
    assert capsys.readouterr().out == ""


async def test_a_character_in_two_halves_arrives_whole(serve: Serve) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        for delta in ("a", "\ud83d", "\udc26 b", "\udc26", "\ud83d"):
            yield delta

    reply = await serve(build).ask("Hi")
    assert reply.code is None
    assert reply.text == "a\U0001f426 b\ufffd"


def halves(text: str) -> list[str]:
    units = text.encode("utf-16-le", "surrogatepass")
    return [units[i : i + 2].decode("utf-16-le", "surrogatepass") for i in range(0, len(units), 2)]


@given(st.text(st.sampled_from("aé\ufeff\U0001f426\u2028")), st.data())
def test_text_is_the_same_however_it_was_cut(text: str, data: Any) -> None:
    units = halves(text)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(units)))))
    deltas = ["".join(units[a:b]) for a, b in zip([0, *cuts], [*cuts, len(units)], strict=True)]
    whole = SurrogateJoiner()
    said = [whole.add(delta) for delta in deltas]
    assert "".join(said) == text
    "".join(said).encode()


def test_reasoning_and_arguments_of_tools_are_joined_as_text_is() -> None:
    translation = Translation([{"text": "Hi"}])
    start = {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "1", "name": "search"}}}}
    thoughts: list[dict[str, Any]] = [{"reasoningContent": {"text": half}} for half in ("a\ud83d", "\udc26", "\ud83d")]
    arguments: list[dict[str, Any]] = [{"toolUse": {"input": half}} for half in ('{"of": "\ud83d', '\udc26"}')]
    chunks = [
        *({"contentBlockDelta": {"delta": delta}} for delta in thoughts),
        {"contentBlockStop": {}},
        start,
        *({"contentBlockDelta": {"delta": delta}} for delta in arguments),
    ]
    events = [event for chunk in chunks for event in translation.read({"event": chunk})]
    for event in events:
        encode(event)
    assert "".join(getattr(event, "delta", "") for event in events) == 'a\U0001f426{"of": "\U0001f426"}'
