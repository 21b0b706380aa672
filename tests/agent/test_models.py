"""The scripted model does what its prompt says; the others are chosen by AGENT_MODEL; traces name the session."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent.settings import Settings, SettingsError
from agent.strands.models import check_model
from local.doubles.scripted import Script
from tests.agent.support import DEADLINE, Serve, new_session

pytestmark = pytest.mark.anyio


@settings(deadline=None)
@given(st.text())
def test_any_prompt_has_an_answer_of_the_length_it_asks_for(prompt: str) -> None:
    script = Script.of(prompt)
    assert script.words in (None, len(script.answer()))
    assert script.words is not None or script.answer()[-1].endswith(".")
    assert all(script.pause_before(number, word) >= 0 for number, word in enumerate(script.answer()))
    assert Script.of(prompt) == script


@settings(deadline=None)
@given(st.integers(0, 500), st.floats(0, 100, allow_nan=False), st.text(alphabet="abc ", max_size=50))
def test_a_directive_is_followed_and_not_quoted(words: int, pause: float, text: str) -> None:
    script = Script.of(f"{text} [words={words} pause={pause!r}] {text}")
    assert (script.words, script.pause) == (words, pause)
    assert "[" not in " ".join(script.answer())


@pytest.mark.parametrize(
    "directive",
    [
        *("[words=many]", "[words=-5]", "[words=1.5]", "[words=true]", "[words=9999999999]", "[pause=-1]"),
        *("[pause=NaN]", "[words=" + '{"a":' * 6_000 + "]"),
    ],
    ids=lambda directive: directive[:20],
)
def test_a_value_that_makes_no_sense_is_not_followed(directive: str) -> None:
    assert Script.of(directive).words is None
    assert Script.of(directive).pause is None


def test_brackets_without_a_directive_are_quoted_like_any_words() -> None:
    assert Script.of("Is a[0] or [x] a list?").quote == "Is a[0] or [x] a list?"


@pytest.mark.timeout(DEADLINE)  # by a signal, which ends a search with a regular expression too
@pytest.mark.parametrize("prompt", ["[" + "a=a" * 10_000, "[a=" * 10_000], ids=["pairs", "brackets"])
def test_no_prompt_takes_long_to_read(prompt: str) -> None:
    assert Script.of(prompt).quote.startswith("[")


def test_the_natural_pace_is_that_of_a_quick_speaker() -> None:
    script = Script.of("Hi")
    words = script.answer()
    total = sum(script.pause_before(number, word) for number, word in enumerate(words))
    assert 0.03 < total / len(words) < 0.06


def test_a_silence_comes_once() -> None:
    script = Script.of("[words=9 pause=0 silence=5]")
    assert [script.pause_before(number, "") for number in range(9)].count(5) == 1


def test_a_model_whose_client_is_missing_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="add the line `ollama`"):
        check_model(Settings(model="ollama:llama3"))


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """An Ollama server on loopback that says two words; gives the requests it got."""
    pytest.importorskip("ollama", reason="the Ollama client is an optional package")
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            for word, done in (("Hello", False), (" there", False), ("", True)):
                message = {"role": "assistant", "content": word}
                end = (
                    {"done_reason": "stop", "eval_count": 2, "prompt_eval_count": 1, "total_duration": 1}
                    if done
                    else {}
                )
                self.wfile.write(json.dumps({"model": "m", "message": message, "done": done, **end}).encode() + b"\n")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    monkeypatch.setenv("OLLAMA_HOST", f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield asked
    server.shutdown()
    server.server_close()
    thread.join()


async def test_ollama_answers(serve: Serve, ollama: list[dict[str, Any]]) -> None:
    reply = await serve(model="ollama:tiny").ask("Hi")
    assert reply.text == "Hello there"
    assert ollama[0]["model"] == "tiny"


async def test_ollama_that_does_not_run_is_an_unavailable_model(
    serve: Serve, ollama: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    assert (await serve(model="ollama:tiny").ask("Hi")).code == "MODEL_UNAVAILABLE"


class BaggageCopier(SimpleSpanProcessor):
    """Stamps every span with the session in its baggage, as the AWS distribution does."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        span.set_attribute("from.baggage", str(baggage.get_baggage("session.id", parent_context)))


async def test_run_model_and_tool_are_spans_of_one_trace_that_carry_the_session(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(BaggageCopier(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    for module in [module for name, module in sys.modules.items() if name.startswith("strands.telemetry.tracer")]:
        monkeypatch.setattr(module, "_tracer_instance", None, raising=False)

    session = new_session()
    server = serve()
    await server.ask("[words=1 pause=0 tool=wait seconds=0]", session=session)
    await server.ask("[fail=internal]", session=session)
    server.log()
    server.log()

    spans = exporter.get_finished_spans()
    first, second = (span for span in spans if span.name == "run")

    def of(run: ReadableSpan) -> list[ReadableSpan]:
        assert run.context
        return [s for s in spans if s.context and s.context.trace_id == run.context.trace_id]

    names = {span.name.split(" ")[0] for span in of(first)}
    assert {"run", "invoke_agent", "chat", "execute_tool"} <= names
    assert {(span.attributes or {})["from.baggage"] for span in spans} == {session}
    assert (first.attributes or {})["run.outcome"] == "completed"
    assert (second.attributes or {})["run.code"] == "INTERNAL"
    assert second.status.status_code == trace.StatusCode.ERROR
