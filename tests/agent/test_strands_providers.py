"""OpenAI-compatible servers and Ollama: their own client libraries against a server on loopback."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from strands import tool

from agent.settings import Settings, SettingsError
from agent.strands import retry
from agent.strands.models import build_model
from tests.agent.fake_openai import DONE, USAGE, Lines, answering, call, chunk
from tests.agent.support import Serve, having

pytestmark = pytest.mark.anyio


def part(done: bool = False, **message: Any) -> bytes:
    """One line of an Ollama answer."""
    end = {"done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2, "total_duration": 10} if done else {}
    line = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", **message}}
    return json.dumps({**line, "done": done, **end}).encode() + b"\n"


@tool
def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"Rain in {city}."


Start = Callable[..., Any]


@pytest.fixture
def openai(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Start:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    return lambda url, **settings: serve(having(weather), model="openai:m", openai_base_url=f"{url}/v1", **settings)


@pytest.fixture
def ollama(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Start:
    def start(url: str) -> Any:
        monkeypatch.setenv("OLLAMA_HOST", url)
        return serve(having(weather), model="ollama:m")

    return start


async def test_an_openai_compatible_model_reasons_calls_a_tool_and_answers(openai: Start) -> None:
    first = [
        chunk(role="assistant", reasoning_content="Let me look."),
        chunk(**call(0, "weather", '{"city": ')),
        chunk(**call(0, None, '"Rome"}')),
        chunk("tool_calls"),
        USAGE,
        DONE,
    ]
    second = [chunk(content="It "), chunk(content="rains."), chunk("stop"), USAGE, DONE]
    with answering(first, second) as (url, asked):
        reply = await openai(url, max_tokens=77).ask("Weather in Rome?")
    assert reply.text == "It rains."
    assert "Let me look." in [e.get("delta") for e in reply.events if e["type"] == "REASONING_MESSAGE_CONTENT"]
    assert [e["content"] for e in reply.events if e["type"] == "TOOL_CALL_RESULT"] == ["Rain in Rome."]
    assert reply.events[-1]["usage"][0]["provider"] == "openai"
    assert reply.events[-1]["usage"][0]["outputTokens"] == 4
    assert [one["path"] for one in asked] == ["/v1/chat/completions"] * 2
    assert asked[0]["key"] == "Bearer sk-test"
    assert (asked[0]["body"]["model"], asked[0]["body"]["max_tokens"]) == ("m", 77)


@pytest.mark.parametrize(
    "cut",
    [
        [chunk(content="Half a sen")],
        [chunk(content="Half a sen"), DONE],
        [chunk(**call(0, "weather", '{"city": "Ro'))],
        [chunk(**call(0, "weather", '{"city": "Rome"}')), DONE],
        [],
    ],
    ids=["text", "text and done", "arguments", "a whole call", "nothing"],
)
async def test_an_openai_stream_without_a_finish_reason_is_no_answer(openai: Start, cut: Lines) -> None:
    with answering(cut) as (url, _):
        assert (await openai(url).ask("Weather?")).code == "MODEL_UNAVAILABLE"


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (429, {"code": "rate_limit_exceeded"}, "MODEL_THROTTLED"),
        (401, {"code": "invalid_api_key"}, "MODEL_UNAVAILABLE"),
        (400, {"code": "context_length_exceeded"}, "CONTEXT_TOO_LONG"),
    ],
)
async def test_what_an_openai_server_refuses_has_the_code_of_its_kind(
    openai: Start, status: int, error: dict[str, str], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "BACKOFF", (0.01,))
    body = json.dumps({"error": {"message": "sk-test is no good", **error}}).encode()
    with answering(*[[body]] * 40, status=status, kind="application/json") as (url, _):
        reply = await openai(url, run_seconds=15).ask("Hi")
    assert reply.code == code
    assert "sk-test" not in "".join(reply.lines)


async def test_a_question_reads_no_certificates(openai: Start, ollama: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them takes 40 ms, in which no other stream goes on."""
    yes = [chunk(content="Yes."), chunk("stop"), DONE]
    with answering(yes, yes) as (url, _), answering(*[[part(content="Yes.", done=True)]] * 2) as (other, _):
        servers = openai(url), ollama(other)
        assert [(await server.ask("Do you stream?")).text for server in servers] == ["Yes.", "Yes."]
        read: list[str] = []
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_args, **_named: read.append("anew"))
        assert [(await server.ask("Do you stream?")).text for server in servers] == ["Yes.", "Yes."]
    assert read == []


def test_a_key_is_asked_for_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        build_model(Settings(model="openai:gpt-5"))


async def test_an_ollama_model_reasons_calls_a_tool_and_answers(ollama: Start) -> None:
    use = {"function": {"name": "weather", "arguments": {"city": "Rome"}}}
    first = [
        part(thinking="Let me "),
        part(thinking="look."),
        part(tool_calls=[use], content=""),
        part(True, content=""),
    ]
    second = [part(content="It "), part(content="rains."), part(True, content="")]
    with answering(first, second, kind="application/x-ndjson") as (url, asked):
        reply = await ollama(url).ask("Weather in Rome?")
    assert reply.text == "It rains."
    thoughts = [e["delta"] for e in reply.events if e["type"] == "REASONING_MESSAGE_CONTENT"]
    assert thoughts == ["Let me ", "look."]
    assert reply.types.index("REASONING_END") < reply.types.index("TOOL_CALL_START")
    assert [e["content"] for e in reply.events if e["type"] == "TOOL_CALL_RESULT"] == ["Rain in Rome."]
    assert asked[1]["body"]["messages"][-1]["content"].endswith("Rain in Rome.")


@pytest.mark.parametrize(
    "cut",
    [
        [part(content="Half a sen")],
        [part(thinking="Hm.")],
        [part(tool_calls=[{"function": {"name": "weather", "arguments": {"city": "Rome"}}}])],
        [],
    ],
    ids=["text", "reasoning", "a call", "nothing"],
)
async def test_an_ollama_stream_without_its_last_part_is_no_answer(ollama: Start, cut: Lines) -> None:
    with answering(cut, kind="application/x-ndjson") as (url, _):
        assert (await ollama(url).ask("Weather?")).code == "MODEL_UNAVAILABLE"
