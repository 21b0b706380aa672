"""What is remembered is whole, bounded and nobody else's to change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strands.types.content import Messages

from agent import memory as memory_module
from agent.caller import Caller
from agent.memory import ProcessMemory, cut, latest
from agent.strands.messages import is_complete
from agent.turn import StoredTurn

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
    assert is_complete(turn)


@pytest.mark.parametrize("turn", BROKEN.values(), ids=BROKEN)
def test_a_turn_that_a_model_would_refuse_is_told(turn: Messages) -> None:
    assert not is_complete(turn)


@given(st.sampled_from(list(WHOLE.values())), st.data())
def test_a_whole_turn_cut_anywhere_is_not_whole(turn: Messages, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(turn) - 1))
    end = data.draw(st.integers(start, len(turn)))
    assert is_complete(turn[start:end]) == (start == 0 and end == len(turn))


def stored(run_id: str, *message_ids: str) -> StoredTurn:
    return StoredTurn(run_id, "digest", [{"id": one, "role": "user", "content": "Hi"} for one in message_ids])


@given(st.lists(st.integers(1, 5)), st.integers(1, 12))
def test_the_latest_turns_are_as_many_as_fit_and_at_least_one(sizes: list[int], most: int) -> None:
    turns = [stored(f"{number}", *["m"] * size) for number, size in enumerate(sizes)]
    kept = latest(turns, most)
    assert kept == turns[len(turns) - len(kept) :]
    assert bool(kept) == bool(turns)
    assert len(kept) <= 1 or sum(len(turn.messages) for turn in kept) <= most
    if len(kept) < len(turns):
        assert sum(sizes[-len(kept) - 1 :]) > most


ALICE = Caller(user="alice", session_id="s", request_id="q", new_session=False)


async def test_the_thread_spoken_in_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "MAX_THREADS", 2)
    memory = ProcessMemory(100)
    for thread in ("a", "b", "a", "c"):
        await memory.save(ALICE, thread, stored("1", "1"), after=[], replaced=[])
    assert [bool(await memory.load(ALICE, thread)) for thread in "abc"] == [True, False, True]


async def test_a_history_is_bounded_by_whole_turns() -> None:
    memory = ProcessMemory(max_messages=4)
    for number in range(10):
        before = await memory.load(ALICE, "t")
        await memory.save(ALICE, "t", stored(f"{number}", "q", "a"), after=before, replaced=[])
    assert [turn.run_id for turn in await memory.load(ALICE, "t")] == ["8", "9"]


async def test_a_history_is_its_users_own_even_under_the_same_ids() -> None:
    memory = ProcessMemory(max_messages=4)
    await memory.save(ALICE, "t", stored("1", "mine"), after=[], replaced=[])
    assert await memory.load(Caller(user="mallory", session_id="s", request_id="q", new_session=False), "t") == []


TURNS = [stored("1", "u1", "a1"), stored("2", "u2", "a2", "t2", "b2"), stored("3", "u3", "a3")]


@pytest.mark.parametrize(
    ("input_ids", "before", "left"),
    [
        ({"u4"}, "a3", 3),  # goes on
        ({"u4"}, None, 3),
        ({"u4"}, "never heard of", 3),
        ({"u3"}, "b2", 2),  # the last answer again
        ({"u3"}, "never heard of", 2),
        ({"u1"}, None, 0),
        ({"new"}, "a1", 1),  # the second question in other words
        ({"new"}, "b2", 2),
        ({"new"}, "a2", 2),  # whole turns only
        ({"u2"}, "a3", 1),  # what is asked again counts before what stands before it
    ],
)
def test_an_edit_cuts_the_history_where_the_client_has_cut_it(
    input_ids: set[str], before: str | None, left: int
) -> None:
    assert cut(TURNS, input_ids, before) == TURNS[:left]
