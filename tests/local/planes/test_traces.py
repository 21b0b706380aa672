"""The receiver of spans: what OpenTelemetry's own exporter sends is kept, and nothing else is taken."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import StatusCode
from starlette.responses import PlainTextResponse

from local.planes import traces
from local.planes.traces import CONTENT_TYPE, PATH, TraceFile, TraceReceiver
from tests import loopback
from tests.local.conftest import Server


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "traces.jsonl"


@pytest.fixture
def url(kept: Path) -> Iterator[str]:
    with Server(TraceReceiver(PlainTextResponse("the runtime"), TraceFile(kept))) as server:
        yield server.url


def post(url: str, body: bytes, content_type: str = CONTENT_TYPE) -> httpx.Response:
    return loopback.post(f"{url}{PATH}", content=body, headers={"Content-Type": content_type})


def test_the_spans_of_a_stock_exporter_are_kept_with_their_parents_and_for_the_owner_alone(
    url: str, kept: Path
) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{url}{PATH}")))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("run") as run:
        run.set_attribute("tokens", 7)
        run.set_attribute("names", ["a", "b"])
        with tracer.start_as_current_span("chat") as chat:
            chat.set_status(StatusCode.ERROR)
    inner, outer = (json.loads(line) for line in kept.read_text().splitlines())
    assert (inner["name"], inner["error"], inner["parentSpanId"]) == ("chat", True, outer["spanId"])
    assert (outer["name"], outer["error"], outer["parentSpanId"]) == ("run", False, "")
    assert outer["start"] <= inner["start"] <= inner["end"] <= outer["end"]
    assert outer["attributes"] == {"tokens": "7", "names": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/x-www-form-urlencoded"])
def test_what_a_page_can_send_without_asking_is_refused(url: str, kept: Path, content_type: str) -> None:
    assert post(url, b"", content_type).status_code == 415
    assert not kept.exists()


def test_what_is_no_export_is_refused(url: str) -> None:
    assert post(url, b"\xff\xff").status_code == 400


def test_an_export_that_is_too_large_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "BODY_LIMIT_BYTES", 10)
    assert post(url, b"x" * 11).status_code == 413


def test_everything_else_is_the_runtimes(url: str) -> None:
    assert loopback.get(f"{url}{PATH}").text == "the runtime"
    assert loopback.post(f"{url}/runtimes").text == "the runtime"


def test_a_file_that_is_full_begins_anew(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "FILE_LIMIT_BYTES", 40)
    file = TraceFile(kept)
    for number in range(9):
        file.write({"number": number})
    numbers = [json.loads(line)["number"] for line in kept.read_text().splitlines()]
    assert numbers == [*range(numbers[0], 9)]
    assert numbers[0] > 0


def test_a_link_in_its_place_is_not_followed(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    kept.symlink_to(tmp_path / "elsewhere")
    TraceFile(kept).write({"number": 1})
    assert (tmp_path / "elsewhere").read_text() == "mine"
