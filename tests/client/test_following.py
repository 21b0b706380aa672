"""A run that is read over several connections is what an uncut one is: each event once and in order."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.errors import AgentError, CutError, ProtocolError
from client.exchange import Arrival, Exchange
from client.following import Cut, Position, RunReader
from client.outputs import read_outputs
from client.request import Request, encoded, question
from client.retry import Policy
from client.signin import Tokens
from client.store import TokenStore
from tests import loopback
from tests.client.conftest import Run
from tests.client.cutting_proxy import cutting
from tests.client.run_server import HEARTBEAT, RunServer, events_of_a_run, serving, wire
from tests.client.terminal import Terminal
from tests.client.variants import Base

THREAD = "known-thread-0123456789-0123456789"
EVENTS = events_of_a_run("r", THREAD)
WHOLE = wire(EVENTS, "r")
BOUNDARIES = [match.end() for match in re.finditer(rb"\n\n", WHOLE)]
QUICK = Policy(attempts=3, first=0.0, longest=0.0)


async def read(
    connect: Callable[[Mapping[str, Any]], Exchange], cuts: list[Cut] | None = None, policy: Policy = QUICK
) -> list[Arrival]:
    async def begin(body: Mapping[str, Any]) -> Exchange:
        return connect(body)

    notice = (cuts if cuts is not None else []).append
    reader = RunReader(begin, question("Hello", THREAD, "r"), Position("r"), policy, notice=notice)
    async with aclosing(reader.arrivals()) as arrivals:
        return [arrival async for arrival in arrivals]


class Piecemeal(httpx.AsyncByteStream):
    """A body that comes in pieces and then breaks, or ends."""

    def __init__(self, body: bytes, size: int, *, breaks: bool) -> None:
        self._body, self._size, self._breaks = body, size, breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), self._size):
            yield self._body[start : start + self._size]
        if self._breaks:
            raise httpx.ReadError("reset")


async def cut_at(
    offsets: Sequence[int], size: int = 64, events: Sequence[dict[str, Any]] = EVENTS
) -> list[dict[str, Any]]:
    """The events of a run each of whose connections is cut at the next offset of what it is sent; without a socket."""
    left = list(offsets)

    def answer(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        sent = wire(events, "r", asked.get("attach", {}).get("after", 0), beat_after=len(events) // 2)
        cut = left.pop(0) if left else None
        stream = Piecemeal(sent if cut is None else sent[:cut], size, breaks=cut is not None and cut % 2 == 0)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        policy = Policy(len(offsets) + 2, 0.0, 0.0)
        arrivals = await read(lambda body: Exchange(http, Request("https://api", "token", encoded(body))), None, policy)
    return [arrival.event for arrival in arrivals]


def test_cut_at_every_byte_the_whole_is_what_an_uncut_run_is() -> None:
    # Each kind of byte is among them: of ids, heartbeats, characters of several bytes, and between the events.
    short = [EVENTS[0], EVENTS[2], EVENTS[5], EVENTS[-1]]

    async def spoiled() -> list[int]:
        sent = wire(short, "r", beat_after=len(short) // 2)
        assert HEARTBEAT in sent
        return [offset for offset in range(len(sent)) if await cut_at([offset], events=short) != short]

    assert asyncio.run(cut_at([])) == EVENTS
    assert asyncio.run(spoiled()) == []


@settings(max_examples=100)
@given(st.lists(st.integers(0, len(WHOLE)), max_size=6), st.integers(1, 200))
def test_cut_any_number_of_times_anywhere(offsets: list[int], size: int) -> None:
    assert asyncio.run(cut_at(offsets, size)) == EVENTS


@pytest.mark.parametrize("inside", [0, 9], ids=["between events", "inside an event"])
def test_over_a_socket_a_run_that_is_cut_at_each_event_is_whole(inside: int) -> None:
    cuts = [20, *(boundary + inside for boundary in BOUNDARIES[:3]), None]
    told: list[Cut] = []
    with serving(*cuts) as server:

        async def run() -> list[Arrival]:
            async with loopback.AsyncClient() as http:
                return await read(lambda body: Exchange(http, Request(server.url, "token", encoded(body))), told)

        arrivals = asyncio.run(run())
    assert [arrival.event for arrival in arrivals] == events_of_a_run("r", THREAD)
    assert [arrival.id for arrival in arrivals] == [f"r:{number}" for number in range(1, len(arrivals) + 1)]
    assert [cut.has_events for cut in told] == [False, True, True, True]
    # What was not begun is asked for again as the same run; what was, is attached to after its last event.
    assert [body["runId"] for body in server.questions] == ["r", "r"]
    assert server.questions[0] == server.questions[1]
    attached = [body["attach"] for body in server.asked_for if "attach" in body]
    assert attached == [{"runId": "r", "after": after} for after in sorted(one["after"] for one in attached)]


def scripted(*answers: bytes) -> list[dict[str, Any]]:
    left = list(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        stream = Piecemeal(left.pop(0), 50, breaks=False)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)

    async def run() -> list[Arrival]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            return await read(lambda body: Exchange(http, Request("https://api", "token", encoded(body))))

    return [arrival.event for arrival in asyncio.run(run())]


def numbered(*numbers: int) -> bytes:
    return b"".join(b'id: r:%d\ndata: {"type": "X%d"}\n\n' % (number, number) for number in numbers)


def test_what_comes_twice_is_shown_once() -> None:
    last = b'id: r:5\ndata: {"type": "RUN_FINISHED"}\n\n'
    assert [one["type"] for one in scripted(numbered(1, 2, 3), numbered(2, 3, 4) + last)] == [
        *("X1", "X2", "X3", "X4"),
        "RUN_FINISHED",
    ]


def test_a_lost_event_is_not_passed_over_in_silence() -> None:
    with pytest.raises(ProtocolError, match="Events are missing between number 3 and 5"):
        scripted(numbered(1, 2, 3), numbered(5, 6))


def test_events_of_another_run_are_refused() -> None:
    with pytest.raises(ProtocolError, match="another run"):
        scripted(numbered(1), b'id: s:2\ndata: {"type": "X"}\n\n')


def test_an_agent_that_has_forgotten_the_run_is_not_asked_again() -> None:
    gone = b'data: {"type": "RUN_ERROR", "code": "RUN_UNKNOWN", "message": "no"}\n\n'
    with pytest.raises(AgentError, match="RUN_UNKNOWN"):
        scripted(numbered(1), gone)


def test_a_run_of_which_nothing_more_comes_is_given_up() -> None:
    with pytest.raises(CutError):
        scripted(numbered(1), b"", b"")


@pytest.fixture
def aim(base: Base, tmp_path: Path, tokens: Tokens) -> Callable[[RunServer], Path]:
    """Writes outputs whose API is the test's own, signed in to."""

    def write(server: RunServer) -> Path:
        path = tmp_path / "outputs.json"
        path.write_text(json.dumps({**json.loads((base.folder / "outputs.json").read_text()), "invokeUrl": server.url}))
        TokenStore(read_outputs(path)).save(tokens)
        return path

    return write


def test_ask_goes_on_after_three_cuts_and_says_so_quietly(aim: Callable[[RunServer], Path], run: Run) -> None:
    with serving(BOUNDARIES[5], BOUNDARIES[1] + 3, 40, None) as server:
        done = run("ask", "Hello", file=aim(server))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(f"word{number} 🙂 " for number in range(6)) + "done.\n"
    assert done.stderr.count("[the connection was cut; continuing the answer]") == 3
    assert len(server.questions) == 1


def test_json_has_each_event_once(aim: Callable[[RunServer], Path], run: Run) -> None:
    with serving(BOUNDARIES[5], BOUNDARIES[1] + 3, None) as server:
        done = run("ask", "Hello", "--json", file=aim(server))
        run_id = server.questions[0]["runId"]
        thread_id = server.questions[0]["threadId"]
    assert [json.loads(line) for line in done.stdout.splitlines()] == events_of_a_run(run_id, thread_id)


def test_without_retry_a_cut_is_an_error(aim: Callable[[RunServer], Path], run: Run) -> None:
    with serving(BOUNDARIES[5], None) as server:
        done = run("ask", "Hello", "--no-retry", file=aim(server))
    assert (done.returncode, "was cut" in done.stderr, len(server.asked_for)) == (1, True, 1)


def test_a_timeline_is_drawn_over_a_cut(aim: Callable[[RunServer], Path], run: Run) -> None:
    with serving(BOUNDARIES[7], None) as server:
        done = run("timeline", "Hello", "--json", file=aim(server))
    (lane,) = json.loads(done.stdout)
    assert (lane["words"], len(lane["heartbeats"])) == (7, 1)
    assert lane["arrivals"] == sorted(lane["arrivals"])


def test_attach_reads_a_run_from_its_beginning_or_after_an_event(aim: Callable[[RunServer], Path], run: Run) -> None:
    with serving(BOUNDARIES[5]) as server:
        path = aim(server)
        assert run("ask", "Hello", "--no-retry", "--session", THREAD, file=path).returncode == 1
        whole = run("attach", "--session", THREAD, file=path)
        rest = run("attach", "--session", THREAD, "--after", "17", "--json", file=path)
    assert whole.stdout.endswith("word5 🙂 done.\n"), whole.stderr
    assert [json.loads(line)["type"] for line in rest.stdout.splitlines()] == ["RUN_FINISHED"]


def test_attach_to_nothing_is_one_sentence(aim: Callable[[RunServer], Path], run: Run) -> None:
    with serving() as server:
        done = run("attach", "--session", THREAD, file=aim(server))
    assert (done.returncode, "[RUN_UNKNOWN]" in done.stderr, len(server.asked_for)) == (1, True, 1)


def test_history_prints_what_was_said(aim: Callable[[RunServer], Path], run: Run) -> None:
    with serving() as server:
        path = aim(server)
        known = run("history", "--session", THREAD, file=path)
        as_json = run("history", "--session", THREAD, "--json", file=path)
        unknown = run("history", "--session", "another" * 6, file=path)
    assert known.stdout == "> What did I ask?\nYou asked **this**.\n"
    assert [json.loads(line)["role"] for line in as_json.stdout.splitlines()] == ["user", "assistant"]
    assert (unknown.returncode, unknown.stdout, "no history of this conversation" in unknown.stderr) == (0, "", True)


def test_stop_says_whether_anything_ran(aim: Callable[[RunServer], Path], run: Run) -> None:
    with serving() as server:
        done = run("stop", "--session", THREAD, "--json", file=aim(server))
    assert (done.returncode, json.loads(done.stdout)) == (0, {"stopped": True})


@pytest.mark.parametrize("command", [("ask", "Hello"), ("attach", "--session", THREAD)])
def test_ctrl_c_stops_the_run_and_not_only_its_reader(
    command: tuple[str, ...], aim: Callable[[RunServer], Path], tmp_path: Path, run: Run
) -> None:
    with serving() as server:
        path = aim(server)
        run("ask", "Hello", "--session", THREAD, file=path)
        server.never_ends = True
        with Terminal(path, tmp_path, *command) as terminal:
            terminal.until_shown("word0")
            terminal.enter("\x03")
            assert terminal.until_it_ends() == 130
    assert [body["stop"] for body in server.asked_for if "stop" in body] != []


def test_a_thread_that_is_taken_up_again_is_shown(aim: Callable[[RunServer], Path], tmp_path: Path) -> None:
    with serving() as server, Terminal(aim(server), tmp_path, "chat", "--session", THREAD) as terminal:
        terminal.until_shown(">WhatdidIask?")
        terminal.until_shown("Youaskedthis.>")
        terminal.enter("\x04")
        assert terminal.until_it_ends() == 0


def test_through_the_whole_chain_an_answer_that_is_cut_three_times_is_whole(
    base: Base, tmp_path: Path, run: Run
) -> None:
    given = json.loads((base.folder / "outputs.json").read_text())
    path = tmp_path / "outputs.json"
    with cutting(base.ports["gateway"], [2500, 1500, 1800]) as (port, let_through):
        through = given["invokeUrl"].replace(f":{base.ports['gateway']}/", f":{port}/")
        path.write_text(json.dumps({**given, "invokeUrl": through}))
        done = run("ask", "Tell me of streaming [words=60 pause=0.02]", "--json", file=path)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("continuing the answer") == 3
    assert len(let_through) == 4
    assert [one["type"] for one in events[:1] + events[-1:]] == ["RUN_STARTED", "RUN_FINISHED"]
    text = "".join(one.get("delta", "") for one in events if one["type"] == "TEXT_MESSAGE_CONTENT")
    run_id = events[0]["runId"]
    again = run("attach", "--session", events[0]["threadId"], "--run", run_id, "--json")
    assert [json.loads(line) for line in again.stdout.splitlines()] == events, again.stderr
    assert text.startswith("You asked: “Tell me of streaming”")
