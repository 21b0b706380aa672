"""What is in a log line: enough to find the fault, no more than an event may hold, and no word of the prompt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strands import tool

from agent.settings import Settings
from agent.telemetry import MAX_TRACE_CHARS, RunRecord, argument_fields, error_fields
from tests.agent.support import DEADLINE

SETTINGS = Settings(model="scripted")
PRIVATE = "PRIVATEWORDS"


def raised(function: Any, *arguments: Any, **named: Any) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it raises is what is logged
        function(*arguments, **named)
    return caught.value


@tool
def wait(seconds: float, names: list[int]) -> str:
    """Wait."""
    raise AssertionError("never called")


def test_refused_arguments_are_told_by_name_and_kind_and_never_by_value() -> None:
    error = raised(wait._metadata.validate_input, {"seconds": PRIVATE, "names": [1, PRIVATE]})
    assert PRIVATE in str(error)
    fields = argument_fields(error)
    assert fields["arguments"] == ["seconds: float_parsing", "names.1: int_parsing"]
    assert PRIVATE not in json.dumps(fields)


def test_a_value_error_of_the_tool_itself_is_told_by_its_place() -> None:
    error = raised(int, PRIVATE)
    fields = argument_fields(error)
    assert (fields["errorType"], fields["arguments"]) == ("ValueError", None)
    assert __file__ in fields["raisedAt"]
    assert PRIVATE not in json.dumps(fields)


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert argument_fields(ValueError(PRIVATE)) == {"errorType": "ValueError", "arguments": None, "raisedAt": None}


@settings(deadline=None)
@given(st.text(min_size=1, max_size=5), st.integers(0, 3 * MAX_TRACE_CHARS))
def test_a_traceback_of_any_length_keeps_both_ends_and_fits_an_event(text: str, size: int) -> None:
    def fail() -> None:
        raise RuntimeError(f"{text * size}THE END")

    trace = error_fields(raised(fail))["stackTrace"]
    assert trace.startswith("Traceback")
    assert trace.endswith("THE END\n")
    assert len(trace) <= MAX_TRACE_CHARS + 100
    assert len(json.dumps(trace)) < 256_000


def test_a_refused_request_is_told_with_the_ids_of_its_headers() -> None:
    line = RunRecord(session_id="session", request_id="request", outcome="refused").line(SETTINGS)
    assert (line["sessionId"], line["requestId"]) == ("session", "request")


def test_tokens_that_nobody_counted_are_no_metric() -> None:
    def metrics(record: RunRecord) -> set[str]:
        line = record.line(SETTINGS)
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        names = {metric["Name"] for metric in directive["Metrics"]}
        assert names == {name for name in line if name.endswith(("Tokens", "Milliseconds", "Runs"))}
        return names

    assert {"InputTokens", "OutputTokens"} <= metrics(RunRecord(input_tokens=0, output_tokens=7))
    assert not {"InputTokens", "OutputTokens"} & metrics(RunRecord())


def test_a_run_that_left_an_error_behind_is_an_error_to_its_operators() -> None:
    assert RunRecord().line(SETTINGS)["level"] == "INFO"
    assert RunRecord().line(SETTINGS, RuntimeError())["level"] == "ERROR"
    assert RunRecord(outcome="error").line(SETTINGS)["level"] == "ERROR"


def test_a_line_that_cannot_be_written_is_nobodys_failure() -> None:
    code = "import sys; from agent.telemetry import log_line; log_line({'message': 'run'}); sys.stderr.write('went on')"
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, timeout=DEADLINE, check=False
        )
    assert done.stderr.startswith("went on")
