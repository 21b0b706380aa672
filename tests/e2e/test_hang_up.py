"""What becomes of a run whose reader hangs up, whether the agent hears of it or not: the table in docs/runs.md."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from client.account import demo_user
from client.commands.doctor import diagnose
from client.doctor.checks import CHECKS
from local import ROOT
from tests import loopback
from tests.e2e.conftest import PATIENCE, RunningChain, until

SCALE = 150
"""`detachedSeconds` is 2 s then, `runSeconds` 5.8 s, and a connection ends after 6 s."""

ENDS_IN_TIME = "Be short. [words=10 pause=0.1]"
GOES_ON = "Go on and on. [words=5000 pause=0.1]"


def table() -> dict[str, list[str]]:
    """The rows of the page, by what stands in their first cell."""
    text = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(lost|passed)` \| (.+) \|$", text, re.MULTILINE)
    return {name: [cell.strip(" `") for cell in cells.split(" | ")] for name, cells in rows}


@pytest.fixture(scope="module", params=["lost", "passed"])
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    """A chain in which a hang-up is lost, or passed on."""
    folder = tmp_path_factory.mktemp(request.param)
    chain = RunningChain(folder, "--hang-up", request.param, "--time-scale", str(SCALE))
    try:
        chain.wait_until_up()
        yield chain
    finally:
        chain.end()


def line_of_left_run(chain: RunningChain, prompt: str) -> dict[str, Any]:
    """Ask, hang up after the first word, and return what the agent's log says of the run once it is over."""
    run_id = str(uuid.uuid4())
    message = {"id": str(uuid.uuid4()), "role": "user", "content": prompt}
    body = {"threadId": str(uuid.uuid4()), "runId": run_id, "messages": [message]}
    headers = {"Authorization": f"Bearer {demo_user(chain.outputs).id}"}
    with (
        loopback.Client(timeout=PATIENCE) as http,
        http.stream("POST", chain.outputs.invoke_url, json=body, headers=headers) as answer,
    ):
        assert any("TEXT_MESSAGE_CONTENT" in line for line in answer.iter_lines())
    found: list[dict[str, Any]] = []

    def told() -> bool:
        text = (chain.folder / "logs" / "agent.log").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        found[:] = [line for line in lines if line.get("message") == "run" and line["runId"] == run_id]
        return bool(found)

    until(told, "the run is over")
    return found[0]


def test_the_table_of_hang_ups_is_what_happens(left: RunningChain) -> None:
    hears, in_time, on_and_on, doctor = table()[left.outputs.hang_up]
    short, long = line_of_left_run(left, ENDS_IN_TIME), line_of_left_run(left, GOES_ON)
    # An agent that hears of it counts the time from then on as unread.
    assert ("nothing" if short["unreadSeconds"] == 0 else "its connection is closed") == hears
    assert (short["outcome"], long["outcome"]) == (in_time, on_and_on)
    (result,) = asyncio.run(diagnose(left.outputs, [check for check in CHECKS if check.name == "hang-up"]))
    assert f"{result.status}: {result.seen.partition(';')[0]}" == doctor
