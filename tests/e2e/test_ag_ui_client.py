"""AG-UI's own client (npm: @ag-ui/client) understands the chain's answers without knowing anything of it."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from client.signin import Tokens
from tests.e2e.conftest import RunningChain
from tests.node_programs import installed, needs_node

HERE = Path(__file__).parent / "ag_ui"

pytestmark = needs_node


@pytest.fixture(scope="module")
def program() -> Path:
    """The program beside its installed dependencies."""
    return installed(HERE) / "run.mjs"


def ask(program: Path, chain: RunningChain, token: str, prompt: str) -> dict[str, Any]:
    question = {"url": chain.outputs.invoke_url, "token": token, "threadId": str(uuid.uuid4()), "prompt": prompt}
    done = subprocess.run(
        ["node", str(program)],
        cwd=program.parent,
        env={**os.environ, "ASK": json.dumps(question)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_it_collects_the_answer_as_a_message(program: Path, chain: RunningChain, tokens: Tokens) -> None:
    heard = ask(program, chain, tokens.id, "What is new? [words=12 pause=0.03]")
    assert heard["failure"] is None
    assert heard["events"][0] == "RUN_STARTED"
    assert heard["events"][-1] == "RUN_FINISHED"
    assert heard["messages"][-1]["role"] == "assistant"
    assert "What is new?" in heard["messages"][-1]["content"]


def test_it_hears_the_first_word_before_the_last_is_made(program: Path, chain: RunningChain, tokens: Tokens) -> None:
    arrivals = ask(program, chain, tokens.id, "Slowly. [words=20 pause=0.05]")["arrivals"]
    first = next(one for one in arrivals if one["type"] == "TEXT_MESSAGE_CONTENT")
    assert first["arrived"] < arrivals[-1]["made"]


def test_it_sees_a_tool_call_with_its_arguments_and_its_result(
    program: Path, chain: RunningChain, tokens: Tokens
) -> None:
    heard = ask(program, chain, tokens.id, "Now? [words=3 tool=current_time timezone=Asia/Tokyo]")
    assert heard["failure"] is None
    kinds = heard["events"]
    assert kinds.index("TOOL_CALL_START") < kinds.index("TOOL_CALL_RESULT") < kinds.index("TEXT_MESSAGE_START")
    calls = [call for message in heard["messages"] for call in message.get("toolCalls", ())]
    assert json.loads(calls[0]["function"]["arguments"]) == {"timezone": "Asia/Tokyo"}
    assert "+09:00" in next(message["content"] for message in heard["messages"] if message["role"] == "tool")


def test_it_reports_a_failed_run_with_its_code(program: Path, chain: RunningChain, tokens: Tokens) -> None:
    heard = ask(program, chain, tokens.id, "Break. [words=5 fail=secret at=2]")
    assert heard["failure"]["code"] == "INTERNAL"
    assert "hunter2" not in json.dumps(heard)
