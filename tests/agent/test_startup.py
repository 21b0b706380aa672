"""The process: how it starts, what it says when it cannot, and that it leaves when told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from agent.server import main
from agent.settings import Settings, SettingsError
from tests import loopback
from tests.agent.support import DEADLINE, Serve, token

ROOT = Path(__file__).parents[2]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("AGENT_", "AWS_"))}
AGENT = {"AGENT_MODEL": "scripted", "AGENT_MODULE": "tests.reference_agent"}


SILENT = "import asyncio\n\nasync def build_agent(run):\n    await asyncio.sleep(3600)\n    yield ''\n"

Refused = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Call `main`, in this process, with no other settings; return the sentence with which it exits with code 2."""

    def start(**environment: str) -> str:
        for name in set(os.environ) - set(CLEAN):
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        out, err = capsys.readouterr()
        (sentence,) = err.splitlines()
        assert out == ""
        return sentence

    return start


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def agent(**environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `python -m agent` until it answers /ping; give the process and its URL."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "agent"],
        cwd=ROOT,
        env=CLEAN | AGENT | {"AGENT_PORT": str(port)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline and process.poll() is None:
            try:
                assert loopback.get(f"{url}/ping").status_code == 200
                break
            except httpx.ConnectError:
                time.sleep(0.02)
        yield process, url
    finally:
        process.kill()
        process.wait(timeout=DEADLINE)
        for stream in (process.stdout, process.stderr):
            assert stream
            stream.close()


def test_the_process_answers_logs_one_line_a_run_and_leaves_on_sigterm() -> None:
    secret = "s3cret"
    with agent(AGENT_ORIGIN_SECRET=secret, AGENT_NAME="demo") as (process, url):
        headers = {
            "Authorization": f"Bearer {token()}",
            "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Origin-Verify": secret,
        }
        for prompt in ("private words [words=2 pause=0]", "[fail=secret]"):
            answer = loopback.post(f"{url}/invocations", json={"prompt": prompt}, headers=headers, timeout=DEADLINE)
            assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE)

    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["outcome"] for line in lines] == ["completed", "error"]
    assert "private words" not in out
    assert "You asked" not in out
    assert secret not in out + err
    metrics = lines[0]["_aws"]["CloudWatchMetrics"][0]
    assert metrics["Namespace"] == "agent-stream"
    assert lines[0]["Agent"] == "demo"
    for metric in metrics["Metrics"]:
        assert isinstance(lines[0][metric["Name"]], int | float)
    for dimension in metrics["Dimensions"][1]:
        assert isinstance(lines[0][dimension], str)
    assert lines[0]["FirstEventMilliseconds"] <= lines[0]["FirstTokenMilliseconds"] <= lines[0]["TotalMilliseconds"]
    assert (lines[0]["InputTokens"], lines[0]["OutputTokens"]) == (4, 2)


@pytest.mark.parametrize("host", ["a..b", "256.1.1.1", "127.0.0.1"])
def test_an_address_that_cannot_be_listened_at_ends_the_process_with_one_sentence(host: str, refused: Refused) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sentence = refused(**AGENT, AGENT_HOST=host, AGENT_PORT=str(taken.getsockname()[1]))
    assert sentence.startswith("The agent cannot listen at AGENT_HOST and AGENT_PORT")


@pytest.mark.anyio
async def test_the_prompt_is_logged_when_asked_for(serve: Serve) -> None:
    asked_for = Settings.from_environment({"AGENT_MODEL": "scripted", "AGENT_LOG_PROMPTS": "true"}).log_prompts
    server = serve(log_prompts=asked_for)
    await server.ask("Hi [words=1]")
    assert server.log()["prompt"] == "Hi [words=1]"


def test_sigterm_ends_a_run_with_an_event_and_a_log_line(tmp_path: Path) -> None:
    (tmp_path / "author.py").write_text(SILENT)  # without Strands, which takes most of a start
    with (
        agent(AGENT_REQUIRE_USER="false", AGENT_MODULE="author", PYTHONPATH=str(tmp_path)) as (process, url),
        loopback.stream("POST", f"{url}/invocations", json={"prompt": "Hi"}, timeout=DEADLINE) as response,
    ):
        lines = response.iter_lines()
        next(lines)
        process.send_signal(signal.SIGTERM)
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        out, err = process.communicate(timeout=10)
    assert (events[-1]["type"], events[-1]["code"]) == ("RUN_ERROR", "INTERNAL")
    (line,) = [json.loads(line) for line in out.splitlines()]
    assert (line["outcome"], line["code"], line["Runs"]) == ("error", "INTERNAL", 1)
    assert line["reference"] in events[-1]["message"]
    assert err == ""


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, ["AGENT_MODEL", "bedrock:MODEL_ID", "ollama:NAME", "scripted"]),
        ({"AGENT_MODEL": "gpt"}, ["AGENT_MODEL", "bedrock:MODEL_ID"]),
        ({"AGENT_MODEL": "bedrock:"}, ["AGENT_MODEL"]),
        ({"AGENT_MODEL": "bedrock:m"}, ["AGENT_REGION"]),
        ({"AGENT_MODEL": "scripted", "AGENT_HEARTBEAT_SECONDS": "soon"}, ["AGENT_HEARTBEAT_SECONDS"]),
    ],
)
def test_settings_that_cannot_work_end_the_process_with_one_sentence(
    environment: dict[str, str], names: list[str], refused: Refused
) -> None:
    said = refused(**environment)
    for name in names:
        assert name in said


def test_a_model_that_cannot_be_made_ends_the_process_with_one_sentence(refused: Refused) -> None:
    aws = {"AWS_REGION": "eu-west-1", "AWS_PROFILE": "nobody"}
    said = refused(**AGENT | aws | {"AGENT_MODEL": "bedrock:m", "AGENT_PORT": str(free_port())})
    assert "bedrock:m" in said
    assert "nobody" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENT_PORT", "http"),
        ("AGENT_PORT", "70000"),
        ("AGENT_HEARTBEAT_SECONDS", "0"),
        ("AGENT_HEARTBEAT_SECONDS", "nan"),
        ("AGENT_RUN_SECONDS", "-1"),
        ("AGENT_RUN_SECONDS", "inf"),
        ("AGENT_RUN_SECONDS", "1e12"),
        ("AGENT_MAX_PROMPT_CHARS", "0"),
        ("AGENT_LOG_PROMPTS", "perhaps"),
        ("AGENT_ALLOWED_ORIGIN", "https://a\r\nSet-Cookie: x"),
        ("AGENT_GUARDRAIL_ID", "g1"),
        ("AGENT_MEMORY_ID", "m1"),
        ("AGENT_ORIGIN_SECRET_PREVIOUS", "old"),
    ],
)
def test_a_bad_setting_is_named_and_its_value_is_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"AGENT_MODEL": "scripted", name: value})
    assert name in str(caught.value)
    if len(value) > 3:
        assert value not in str(caught.value)


@pytest.mark.parametrize("secret", ["s3cret\n", " s3cret", "s3cr\u00e9t", "s3cret\udcff"])
@pytest.mark.parametrize("variable", ["AGENT_ORIGIN_SECRET", "AGENT_ORIGIN_SECRET_PREVIOUS"])
def test_an_origin_secret_that_no_header_can_carry_is_told(variable: str, secret: str) -> None:
    environment = {"AGENT_MODEL": "scripted", "AGENT_ORIGIN_SECRET": "s3cret", variable: secret}
    with pytest.raises(SettingsError, match=f"{variable} cannot be used: must be printable ASCII") as raised:
        Settings.from_environment(environment)
    assert "s3cr" not in str(raised.value)


def test_all_bad_settings_are_told_together() -> None:
    with pytest.raises(SettingsError, match=r"AGENT_PORT.*AGENT_MAX_TOKENS"):
        Settings.from_environment({"AGENT_MODEL": "scripted", "AGENT_PORT": "x", "AGENT_MAX_TOKENS": "x"})


def test_an_empty_variable_is_an_absent_one() -> None:
    settings = Settings.from_environment({"AGENT_MODEL": "scripted", "AGENT_ORIGIN_SECRET": "", "AGENT_PORT": ""})
    assert settings.origin_secrets == ()
    assert settings.port == 8080


def test_secrets_are_not_in_the_settings_text() -> None:
    settings = Settings.from_environment(
        {"AGENT_MODEL": "scripted", "AGENT_ORIGIN_SECRET": "hunter2", "AGENT_ORIGIN_SECRET_PREVIOUS": "hunter1"}
    )
    assert settings.origin_secrets == ("hunter2", "hunter1")
    assert "hunter" not in repr(settings) + str(settings)


def test_the_agents_own_region_wins() -> None:
    region = {"AGENT_MODEL": "scripted", "AGENT_REGION": "eu-west-1", "AWS_REGION": "us-east-1"}
    assert Settings.from_environment(region).region == "eu-west-1"
