"""The spans of one run, from the agent through the receiver to whoever asked: as a tree, and in JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from local import ROOT
from tests.e2e.conftest import PATIENCE, RunningChain

PROMPT = "What time is it? [words=5 pause=0.01 tool=wait seconds=0.1]"


def ask(outputs: Path, *more: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "client", "ask", PROMPT, "--trace", "--outputs", str(outputs), *more]
    environment = {**os.environ, "COLUMNS": "120"}
    return subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_a_run_is_shown_as_a_tree_with_where_its_time_went(chain: RunningChain) -> None:
    done = ask(chain.folder / "outputs.json")
    assert done.returncode == 0, done.stderr
    shown = done.stderr
    assert re.search(r"^run  \d+ ms, after 0 ms  completed$", shown, re.MULTILINE)
    tool = next(line for line in shown.splitlines() if "execute_tool wait" in line)
    assert tool.startswith((" ", "│")), "the tool's span hangs below another"
    assert re.search(r"API Gateway \d+ ms, AgentCore \d+ ms, the agent's first word after \d+ ms", shown)
    assert "What time" not in shown  # a tree is for looking over; the file has what was said


def test_a_conversation_tells_of_each_answer_where_its_time_went(chain: RunningChain) -> None:
    argv = [sys.executable, "-m", "client", "chat", "--trace", "--outputs", str(chain.folder / "outputs.json")]
    done = subprocess.run(
        argv,
        cwd=ROOT,
        input="One [words=2 pause=0]\nTwo [words=2 pause=0]\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = re.findall(r"API Gateway \d+ ms, AgentCore \d+ ms, the agent's first word after \d+ ms", done.stderr)
    assert len(told) == 2


def test_in_json_every_span_but_the_runs_has_its_parent(chain: RunningChain) -> None:
    *events, trace = (json.loads(line) for line in ask(chain.folder / "outputs.json", "--json").stdout.splitlines())
    assert events[-1]["type"] == "RUN_FINISHED"
    (run,) = (span for span in trace["spans"] if span["name"] == "run")
    ids = {span["spanId"] for span in trace["spans"]}
    assert {span["parentSpanId"] for span in trace["spans"] if span is not run} <= ids
    assert (trace["type"], trace["planes"].keys()) == ("CLIENT_TRACE", {"API Gateway", "AgentCore"})
    assert run["attributes"]["run.id"] == events[0]["runId"]


def test_a_stack_on_aws_is_told_where_its_spans_are(tmp_path: Path) -> None:
    given = {"region": "us-east-1", "invokeUrl": "https://x.example/dev/invocations", "userPoolId": "us-east-1_pool"}
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({**given, "userPoolClientId": "client", "issuer": "https://x.example"}))
    done = ask(path)
    assert done.returncode == 1
    assert "docs/operations.md" in done.stderr
