"""AG-UI's own client (npm: @ag-ui/client), unchanged and in three versions, before the agent."""

from __future__ import annotations

import asyncio
import atexit
import json
import subprocess
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.agent.support import SESSION, Serve, Server, new_session, token
from tests.agent.test_cuts import every_kind
from tests.node_programs import installed, needs_node

pytestmark = needs_node

PROGRAM = Path(__file__).parents[1] / "e2e" / "ag_ui"
VERSIONS = ["ag-ui-client-0.0.46", "ag-ui-client-0.0.59", "@ag-ui/client"]
LASTING: dict[str, Any] = {"detached_seconds": 300}


@cache
def client(version: str) -> subprocess.Popen[str]:
    """The client in a process that takes job after job until the tests end."""
    node = subprocess.Popen(
        ["node", "conversation.mjs", version],
        cwd=installed(PROGRAM),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(node.communicate)  # the end of its input ends it
    return node


def converse(server: Server, version: str, *steps: dict[str, Any], session: str | None = None) -> list[dict[str, Any]]:
    """Have the client run `steps` in one thread; return what it saw, and what it holds after each."""
    headers = {"Authorization": f"Bearer {token()}", SESSION: session or new_session()}
    job = {"url": f"{server.url}/invocations", "headers": headers, "threadId": "t", "steps": steps}
    node = client(version)
    assert node.stdin is not None
    assert node.stdout is not None
    print(json.dumps(job), file=node.stdin, flush=True)
    line = node.stdout.readline()
    assert line, f"the client ended with {node.wait()}; standard error says why"
    replies: list[dict[str, Any]] = json.loads(line)
    return replies


async def said(run: Any) -> AsyncIterator[str]:
    """Answer with how much was said before."""
    yield f"{len(run.history)} before"


def slowly(pause: float) -> Any:
    """Say one of each kind, with pauses in which the client can hang up or stop."""

    async def build(run: Any) -> AsyncIterator[Any]:
        async for event in every_kind(run):
            await asyncio.sleep(pause)
            yield event

    return build


@pytest.mark.parametrize("version", VERSIONS)
def test_a_conversation_of_twenty_turns_is_remembered_whole(serve: Serve, version: str) -> None:
    replies = converse(serve(said, **LASTING), version, *({"say": f"Question {number}"} for number in range(20)))
    assert [reply["failure"] for reply in replies] == [None] * 20
    answers = [one["content"] for one in replies[-1]["messages"] if one["role"] == "assistant"]
    assert answers == [f"{2 * number} before" for number in range(20)]


@pytest.mark.parametrize("version", VERSIONS)
def test_after_a_hang_up_attach_gives_what_the_uncut_run_gave(serve: Serve, version: str) -> None:
    server = serve(slowly(0.01), **LASTING)
    (whole,) = converse(server, version, {"say": "Hi"})
    expected = [one for one in whole["messages"] if one["role"] != "user"]
    assert [one["role"] for one in expected] == ["reasoning", "assistant", "tool", "assistant"]
    for cut in (2, 9, 14):
        hang_up = {"say": "Hi", "hangUpAfter": cut}
        _, again = converse(serve(slowly(0.01), **LASTING), version, hang_up, {"forwardedProps": {"attach": {}}})
        assert again["failure"] is None
        assert [one for one in again["messages"] if one["role"] != "user"] == expected, cut
        if version != "ag-ui-client-0.0.46":  # applies no STATE_DELTA, whole stream or not
            assert again["state"] == {"n": 2}


@pytest.mark.parametrize("version", VERSIONS)
def test_stop_ends_the_run_and_the_next_question_goes_on_from_it(serve: Serve, version: str) -> None:
    server = serve(slowly(0.03), **LASTING)
    stopped, after = converse(server, version, {"say": "Hi", "stopAfter": 3}, {"say": "Go on"})
    # The last of them declares that it speaks AG-UI 1.0, and is told a cancelled outcome.
    assert (stopped["failure"], stopped["seen"][-1]) == (
        (None, "RUN_FINISHED") if version == "@ag-ui/client" else ("STOPPED", "RUN_ERROR")
    )
    assert server.log()["outcome"] == "stopped"
    assert after["failure"] is None
    assert [one["role"] for one in after["messages"]].count("user") == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_history_puts_the_conversation_back(serve: Serve, version: str) -> None:
    server, session = serve(said, **LASTING), new_session()
    (before,) = converse(server, version, {"say": "Hi"}, session=session)
    (again,) = converse(server, version, {"forwardedProps": {"history": {}}}, session=session)
    assert again["messages"] == before["messages"]
    assert again["result"] == {"kept": True, "lastOutcome": "completed"}
