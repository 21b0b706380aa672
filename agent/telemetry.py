"""A run's log line (JSON, which is also its metrics) and its trace span.

The line follows CloudWatch's embedded metric format
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
CloudWatch Logs turns it into metrics in the namespace `agent-stream` without an API call. The line contains text of
the prompt only with AGENT_LOG_PROMPTS, or when an exception that ends a run quotes it. Spans need an OpenTelemetry
SDK in the process, such as `opentelemetry-instrument` sets up; without one they cost nothing.
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
# At worst, a traceback of emoji, each escaped to twelve bytes, the line still fits CloudWatch's earlier limit of 256 KB
# an event: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
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
    request has no `run`; `session_id` and `request_id` then come from its headers. Tokens are None when the agent
    reported none.
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
    """How often a client attached to it again."""
    unread_seconds: float = 0.0
    """The total time without a reader."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    started: float = field(default_factory=time.monotonic)

    def count_event(self, *, token: bool) -> None:
        """Count one event of the run; `token` says that it is the model's output."""
        now = time.monotonic() - self.started
        self.events += 1
        if self.first_event is None:
            self.first_event = now
        if token and self.first_token is None:
            self.first_token = now

    def add_unread(self, seconds: float) -> None:
        """Add a period without a reader."""
        self.unread_seconds += seconds

    def ids(self) -> dict[str, Any]:
        """Return the fields that identify this run in a log line."""
        run = self.run
        return {
            "sessionId": run.session_id if run else self.session_id,
            "requestId": run.request_id if run else self.request_id,
            "runId": run.run_id if run else None,
            "threadId": run.thread_id if run else None,
        }

    def set_error(self, reason: AgentError) -> str:
        """Record the error's code and a new reference; return the message for the caller, with that reference."""
        self.code, self.reference = reason.code, uuid.uuid4().hex[:12]
        return f"{reason.message} (reference {self.reference})"

    @contextmanager
    def span(self) -> Iterator[None]:
        """Trace the block as one span, with the session id as baggage for its child spans."""
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
        """Return the log line. `error` adds its traceback, which goes nowhere else."""
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
            # The alarm on failed runs counts Outcome=error; a timeout belongs to it.
            "Outcome": "error" if self.outcome in _FAILURES else self.outcome,
            "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]},
        }


def log_line(line: dict[str, Any]) -> None:
    """Write one JSON line to standard output in a single write, without the keys whose value is None.

    If the write fails (a full disk, a closed pipe) the line is lost, so that no run fails because of its log.
    """
    text = json.dumps({key: value for key, value in line.items() if value is not None}, default=str)
    with contextlib.suppress(OSError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def error_fields(error: BaseException | None) -> dict[str, str]:
    """Return the type and the traceback of `error` for a log line; a long traceback is cut in the middle."""
    if error is None:
        return {}
    text = "".join(traceback.format_exception(error))
    if len(text) > MAX_TRACE_CHARS:
        half = MAX_TRACE_CHARS // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    return {"errorType": type(error).__name__, "stackTrace": text}


def argument_fields(error: BaseException) -> dict[str, Any]:
    """Return the log fields for arguments that a tool refused: their names, the kind of error, and where it was raised.

    The values are left out, and so is the text of `error`, which may quote them: they come from the caller.
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
