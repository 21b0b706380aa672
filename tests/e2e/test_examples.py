"""Each example as a user takes it: copied over `agent/agent.py`, brought up with the whole chain, and asked."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from client.account import demo_user
from local import ROOT
from tests import loopback
from tests.agent.fake_openai import answering
from tests.agent.test_langgraph import calls, words
from tests.e2e.conftest import RunningChain
from tests.e2e.project import copy_project

Start = Callable[..., RunningChain]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Bring a copy of the project up whose agent is an example: `start("generator", pins=[…], runtime={…})`."""
    chains: list[RunningChain] = []

    def begin(example: str, *, pins: tuple[str, ...] = (), runtime: dict[str, Any] | None = None) -> RunningChain:
        project = copy_project(tmp_path / "project")
        shutil.copytree(ROOT / "examples", project / "examples")
        shutil.copy(ROOT / "examples" / f"{example}.py", project / "agent" / "agent.py")
        pinned = (ROOT / "requirements-dev.txt").read_text()
        with (project / "agent" / "requirements.txt").open("a") as requirements:  # as `make lock` does
            for name in pins:
                (line,) = re.findall(rf"^{name}==\S+", pinned, re.MULTILINE)
                requirements.write(f"{line}\n")
        settings = project / "Pulumi.dev.yaml"
        added = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in (runtime or {}).items())
        settings.write_text(
            settings.read_text().replace("  agent-stream:runtime:\n", f"  agent-stream:runtime:\n{added}")
        )
        (project / ".env.local").write_text("OPENAI_API_KEY=sk-local\n")
        chains.append(RunningChain(tmp_path / "chain", project=project))
        chains[-1].wait_until_up()
        return chains[-1]

    yield begin
    for chain in chains:
        if chain.process.poll() is None:
            chain.end()


def ask(chain: RunningChain, prompt: str) -> list[dict[str, Any]]:
    """Every event that the client was sent."""
    argv = [sys.executable, "-m", "client", "ask", prompt, "--json", "--outputs", str(chain.folder / "outputs.json")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


def test_the_generator(start: Start) -> None:
    events = ask(start("generator"), "Count these four")
    assert text_of(events) == "You wrote 3 words. The longest is “Count”."
    assert [event["snapshot"] for event in events if event["type"] == "STATE_SNAPSHOT"] == [{"words": 3}]


def test_the_strands_agent_with_an_mcp_server(start: Start) -> None:
    chain = start("strands_mcp")
    for prompt, result in (
        ("Where is it? [words=4 pause=0 tool=order_status order=7]", "Order 7 is on its way."),
        ("How much? [words=4 pause=0 tool=discount percent=10 price=20]", "18.00"),
    ):
        events = ask(chain, prompt)
        assert [event["content"] for event in events if event["type"] == "TOOL_CALL_RESULT"] == [result]
        assert events[-1]["type"] == "RUN_FINISHED"
    complaints = chain.end()[1]
    assert "blocks every stream" not in complaints, complaints


def test_the_graph_that_asks_before_it_acts(start: Start) -> None:
    with answering(calls("refund", '{"order": 7}'), words("Done.")) as (url, asked):
        runtime = {
            "environment": {"OPENAI_BASE_URL": f"{url}/v1"},
            "secrets": {"OPENAI_API_KEY": "arn:aws:secretsmanager:us-east-1:123456789012:secret:openai-AbCdEf"},
        }
        chain = start("langgraph_approval", pins=("langgraph", "langchain-openai", "langchain-core"), runtime=runtime)
        with loopback.Client(headers={"Authorization": f"Bearer {demo_user(chain.outputs).id}"}, timeout=60) as http:
            thread = str(uuid.uuid4())

            def run(**more: Any) -> list[dict[str, Any]]:
                body = {"threadId": thread, "runId": str(uuid.uuid4()), "messages": [], **more}
                answer = http.post(chain.outputs.invoke_url, json=body)
                return [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: ")]

            question = {"id": "q", "role": "user", "content": "Refund order 7."}
            (raised,) = run(messages=[question])[-1]["outcome"]["interrupts"]
            assert raised["metadata"] == {"value": {"question": "Refund order 7?"}}
            answer = {"interruptId": raised["id"], "status": "resolved", "payload": {"approved": True}}
            events = run(resume=[answer])
    assert text_of(events) == "Done."
    assert [one["key"] for one in asked] == ["Bearer sk-local"] * 2
    assert asked[1]["body"]["messages"][-1]["content"] == "Order 7 is refunded."
