"""What is remembered is whole, bounded and nobody else's to change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strands.types.content import Messages

from agent import memory as memory_module
from agent.memory import ProcessMemory, is_whole, latest
from agent.request import Run

pytestmark = pytest.mark.anyio


def said(role: str, *blocks: Any) -> Any:
    return {"role": role, "content": [{"text": block} if isinstance(block, str) else block for block in blocks]}


def call(*ids: str) -> Any:
    return said("assistant", " ", *({"toolUse": {"toolUseId": id_, "name": "t", "input": {}}} for id_ in ids))


def result(*ids: str) -> Any:
    return said("user", *({"toolResult": {"toolUseId": id_, "status": "success", "content": []}} for id_ in ids))


QUESTION, ANSWER = said("user", "why"), said("assistant", "because")

WHOLE = {
    "question and answer": [QUESTION, ANSWER],
    "a tool call": [QUESTION, call("1"), result("1"), ANSWER],
    "two calls at once": [QUESTION, call("1", "2"), result("2", "1"), ANSWER],
    "two calls in turn": [QUESTION, call("1"), result("1"), call("2"), result("2"), ANSWER],
}
BROKEN = {
    "nothing": [],
    "no answer": [QUESTION],
    "no question": [ANSWER],
    "a call at the end": [QUESTION, call("1")],
    "a result at the end": [QUESTION, call("1"), result("1")],
    "a call without its result": [QUESTION, call("1"), ANSWER],
    "one result of two": [QUESTION, call("1", "2"), result("1"), ANSWER],
    "a result without its call": [QUESTION, result("1"), ANSWER],
    "another call's result": [QUESTION, call("1"), result("2"), ANSWER],
    "an answer of nothing": [QUESTION, said("assistant")],
    "an answer of blanks": [QUESTION, said("assistant", " \n")],
}


@pytest.mark.parametrize("turn", WHOLE.values(), ids=WHOLE)
def test_a_whole_turn_is_told(turn: Messages) -> None:
    assert is_whole(turn)


@pytest.mark.parametrize("turn", BROKEN.values(), ids=BROKEN)
def test_a_turn_that_a_model_would_refuse_is_told(turn: Messages) -> None:
    assert not is_whole(turn)


@given(st.sampled_from(list(WHOLE.values())), st.data())
def test_a_whole_turn_cut_anywhere_is_not_whole(turn: Messages, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(turn) - 1))
    end = data.draw(st.integers(start, len(turn)))
    assert is_whole(turn[start:end]) == (start == 0 and end == len(turn))


@given(st.lists(st.integers(1, 5)), st.integers(1, 12))
def test_the_latest_turns_are_as_many_as_fit_and_at_least_one(sizes: list[int], most: int) -> None:
    turns: list[Messages] = [[QUESTION] * size for size in sizes]
    kept = latest(turns, most)
    assert kept == turns[len(turns) - len(kept) :]
    assert bool(kept) == bool(turns)
    assert len(kept) <= 1 or sum(map(len, kept)) <= most
    if len(kept) < len(turns):
        assert sum(sizes[-len(kept) - 1 :]) > most


def run(thread: str = "thread") -> Run:
    return Run(prompt="Hi", run_id="r", thread_id=thread, session_id="session", request_id="q", user="alice")


async def test_a_history_may_be_changed_by_whoever_gets_it() -> None:
    memory = ProcessMemory(100)
    turn: Messages = [said("user", "why"), said("assistant", "because")]
    await memory.save(run(), turn)
    turn[0]["content"].clear()
    for message in await memory.load(run()):
        message["content"].clear()
    assert await memory.load(run()) == [QUESTION, ANSWER]


async def test_the_conversation_spoken_in_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "MAX_THREADS", 2)
    memory = ProcessMemory(100)
    for thread in ("a", "b", "a", "c"):
        await memory.save(run(thread), [QUESTION, ANSWER])
    assert [bool(await memory.load(run(thread))) for thread in "abc"] == [True, False, True]
