"""What a run leaves for its operators: one JSON line, which is also its metrics, and one span.

The line follows CloudWatch's embedded metric format
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
CloudWatch Logs turns it into metrics in the namespace `agent-stream` without an API call. Words of the prompt are
in it only when AGENT_LOG_PROMPTS says so, or when an exception that ends a run quotes them. Spans need an
OpenTelemetry SDK in the process, as `opentelemetry-instrument` sets one up; without it they cost nothing.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import baggage, context, trace
from pydantic import ValidationError

from agent.errors import AgentError
from agent.request import Run
from agent.settings import Settings

__all__ = ["RunRecord", "argument_fields", "error_fields", "log_line"]

NAMESPACE = "agent-stream"
# A line with a traceback of nothing but emoji, each twelve bytes in it, is still below the 256 KB that an event had to
# have for long: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
MAX_TRACE_CHARS = 20_000
_FAILURES = {"error", "timeout"}
_UNITS = {
    "Runs": "Count",
    "FirstEventMilliseconds": "Milliseconds",
    "FirstTokenMilliseconds": "Milliseconds",
    "TotalMilliseconds": "Milliseconds",
    "InputTokens": "Count",
    "OutputTokens": "Count",
}


@dataclass(slots=True)
class RunRecord:
    """What is known about a run when it ends.

    Outcome: `completed`, `interrupted`, `stopped`, `replaced`, `abandoned`, `timeout`, `error` or `refused`. A refused
    request has no `run`; `session_id` and `request_id` are then what its headers said. Tokens are None when nobody
    counted them.
    """

    run: Run | None = None
    session_id: str | None = None
    request_id: str | None = None
    outcome: str = "abandoned"
    code: str | None = None
    reference: str | None = None
    events: int = 0
    first_event: float | None = None
    first_token: float | None = None
    attached: int = 0
    """How often a reader came back to it."""
    unread_seconds: float = 0.0
    """For how long together nobody read it."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    started: float = field(default_factory=time.monotonic)

    def saw(self, *, token: bool) -> None:
        """Count one event that goes to the caller; `token` says that the model has begun to answer."""
        now = time.monotonic() - self.started
        self.events += 1
        if self.first_event is None:
            self.first_event = now
        if token and self.first_token is None:
            self.first_token = now

    def unread(self, seconds: float) -> None:
        """Add a time for which nobody read the run."""
        self.unread_seconds += seconds

    def ids(self) -> dict[str, Any]:
        """Return what tells this run in a log line."""
        run = self.run
        return {
            "sessionId": run.session_id if run else self.session_id,
            "requestId": run.request_id if run else self.request_id,
            "runId": run.run_id if run else None,
            "threadId": run.thread_id if run else None,
        }

    def refer(self, reason: AgentError) -> str:
        """Note what the caller is told, and return it, with the reference that finds the log line."""
        self.code, self.reference = reason.code, uuid.uuid4().hex[:12]
        return f"{reason.message} (reference {self.reference})"

    @contextmanager
    def span(self) -> Iterator[None]:
        """Trace what happens inside as one span, with the session's id as baggage for the spans below."""
        session_id = (self.run.session_id if self.run else self.session_id) or ""
        token = context.attach(baggage.set_baggage("session.id", session_id))
        try:
            with trace.get_tracer("agent").start_as_current_span("run") as span:
                span.set_attribute("session.id", session_id)
                try:
                    yield
                finally:
                    span.set_attribute("run.outcome", self.outcome)
                    if self.run and self.run.run_id:
                        span.set_attribute("run.id", self.run.run_id)
                    if self.first_token is not None:
                        span.set_attribute("run.first_token_milliseconds", self.first_token * 1000)
                    if self.code:
                        span.set_attribute("run.code", self.code)
                    if self.outcome in _FAILURES:
                        span.set_status(trace.StatusCode.ERROR)
        finally:
            context.detach(token)

    def line(self, settings: Settings, error: BaseException | None = None) -> dict[str, Any]:
        """Return the log line. `error` adds its traceback, which only the log ever sees."""
        run = self.run
        return {
            "message": "run",
            "level": "ERROR" if error or self.outcome in _FAILURES else "INFO",
            "outcome": self.outcome,
            "code": self.code,
            "reference": self.reference,
            "events": self.events,
            "attached": self.attached,
            "unreadSeconds": round(self.unread_seconds, 1),
            **self.ids(),
            "prompt": run.prompt if run and settings.log_prompts else None,
            **error_fields(error),
            **self._metrics(settings),
        }

    def _metrics(self, settings: Settings) -> dict[str, Any]:
        values = {
            "Runs": 1,
            "FirstEventMilliseconds": _milliseconds(self.first_event),
            "FirstTokenMilliseconds": _milliseconds(self.first_token),
            "TotalMilliseconds": _milliseconds(time.monotonic() - self.started),
            "InputTokens": self.input_tokens,
            "OutputTokens": self.output_tokens,
        }
        known = {name: value for name, value in values.items() if value is not None}
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [["Agent"], ["Agent", "Outcome"]],
            "Metrics": [{"Name": name, "Unit": _UNITS[name]} for name in known],
        }
        return known | {
            "Agent": settings.name,
            # One that ran out of time has failed: the alarm on failed runs counts it.
            "Outcome": "error" if self.outcome in _FAILURES else self.outcome,
            "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]},
        }


def log_line(line: dict[str, Any]) -> None:
    """Write one JSON line to standard output, without the keys that have no value, in a single write.

    A line that cannot be written, to a full disk or a reader that has left, is lost: no run fails of it.
    """
    text = json.dumps({key: value for key, value in line.items() if value is not None}, default=str)
    with contextlib.suppress(OSError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def error_fields(error: BaseException | None) -> dict[str, str]:
    """Return the type and the traceback of `error` for a log line, the middle of a long one left out."""
    if error is None:
        return {}
    text = "".join(traceback.format_exception(error))
    if len(text) > MAX_TRACE_CHARS:
        half = MAX_TRACE_CHARS // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    return {"errorType": type(error).__name__, "stackTrace": text}


def argument_fields(error: BaseException) -> dict[str, Any]:
    """Return what a log line may tell of a tool's refusal of its arguments: which, what is wrong with them, and where.

    The values, and the text of `error`, which may quote them, are the caller's words.
    """
    invalid = next((one for one in (error, error.__cause__) if isinstance(one, ValidationError)), None)
    details = invalid.errors(include_url=False, include_context=False, include_input=False) if invalid else []
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "errorType": type(error).__name__,
        "arguments": [f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in details] or None,
        "raisedAt": f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None,
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
