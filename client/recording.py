"""A recording of the response to one question: every event with its time, and how the response ended.

`client.exchange` fills it; this module turns it into an error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import httpx

from client.errors import ClientError, CutError, Limit, ProtocolError, agent_failure, refusal
from client.outputs import Outputs
from client.sanitize import quoted

Kind = Literal["delta", "event", "comment"]
Ending = Literal["finished", "error", "cut", "left", "late", "refused", "unreachable", "invalid"]

LATEST_STAMP = 1e15
"""Milliseconds since 1970 (thirty thousand years); larger timestamps, and infinity, are ignored."""

NEXT_STEP = "check that invokeUrl belongs to this stack, and which events the agent yields"


class Limits(NamedTuple):
    """The stack's limits in seconds, used to explain why a stream was cut."""

    idle: float
    total: float

    @classmethod
    def of(cls, outputs: Outputs) -> Limits:
        """Return a stack's limits, divided by a local run's time scale."""
        return cls(
            outputs.idle_timeout_seconds / outputs.time_scale,
            outputs.timeout_seconds / outputs.time_scale,
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """One event or comment.

    Attributes:
        seconds: the time of arrival, since the question was sent.
        kind: a text delta, another event, or a comment (a heartbeat).
        text: the text of a text delta.
        made: the event's own timestamp, in Unix seconds; None if it has none.
        id: the event's id, ``<runId>:<number>``; empty if it has none.
        type: the event's type; empty for a comment.
    """

    seconds: float
    kind: Kind
    text: str = ""
    made: float | None = None
    id: str = ""
    type: str = ""


def mark_of(event: dict[str, Any], seconds: float, id_: str | None = None) -> Mark:
    """Return the mark of an event."""
    stamp, type_ = event.get("timestamp"), event["type"]
    made = stamp / 1000 if isinstance(stamp, int | float) and 0 <= stamp < LATEST_STAMP else None
    text = event["delta"] if type_ == "TEXT_MESSAGE_CONTENT" else ""
    return Mark(seconds, "delta" if type_ == "TEXT_MESSAGE_CONTENT" else "event", text, made, id_ or "", type_)


@dataclass(slots=True)
class Recording:
    """The response to one question. Times are seconds since it was sent.

    Attributes:
        status: the HTTP status; 0 when there was no response.
        headers: the response's headers.
        body: the body of a response that is not an event stream, as far as `client.exchange` reads it.
        ending: how it ended; ``left`` when this client disconnected, ``late`` when it exceeded its time limit,
            ``invalid`` when it was not a stream of AG-UI events.
        code: the code of a ``RUN_ERROR``.
        message: the message of a ``RUN_ERROR``, or why there was no response, or no complete one.
        headers_after: when the headers arrived.
        silent: the time from the last bytes to the end.
        lasted: when it ended.
        failed: the error when the connection failed before a response.
    """

    session_id: str
    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    body: bytes = b""
    marks: list[Mark] = field(default_factory=list)
    ending: Ending = "cut"
    code: str = ""
    message: str = ""
    headers_after: float = 0.0
    silent: float = 0.0
    lasted: float = 0.0
    failed: ClientError | None = None

    @property
    def deltas(self) -> list[Mark]:
        """The text deltas."""
        return [mark for mark in self.marks if mark.kind == "delta"]

    @property
    def first_delta(self) -> float | None:
        """When the first text arrived; None when there was none."""
        return next((mark.seconds for mark in self.marks if mark.kind == "delta"), None)

    @property
    def over(self) -> bool:
        """Whether the terminal event has arrived, so that later failures do not matter."""
        return self.ending in ("finished", "error")

    @property
    def request_id(self) -> str:
        """The gateway's id of the request; empty when there is none."""
        return str(self.headers.get("x-amzn-requestid", ""))

    @property
    def by_runtime(self) -> bool:
        """Whether AgentCore, and not the gateway, refused.

        AgentCore's 401 has a WWW-Authenticate header, which the gateway renames, and it sends *Missing Authentication
        Token* with 401, the gateway with 403.
        """
        challenged = "x-amzn-remapped-www-authenticate" in self.headers or "www-authenticate" in self.headers
        return self.status in (409, 424) or challenged or (self.status == 401 and b"Missing Auth" in self.body)

    def summary(self) -> str:
        """Summarize the response in a few words."""
        if self.status == 0:
            return f"no answer ({self.message})"
        if self.ending == "error":
            return f"RUN_ERROR {quoted(self.code)}"
        if self.status != 200:
            return f"{self.status} {quoted(self.body[:200].decode(errors='replace'))}".strip()
        return f"200, {len(self.deltas)} text events, {self.ending}"

    def failure(self, limits: Limits | None = None, token_fault: str = "") -> ClientError | None:
        """Return why this is not a complete answer; None if it is one.

        Args:
            limits: the stack's, to name the one that cut the stream.
            token_fault: the explanation if the token was refused, from `client.account.token_fault`.
        """
        match self.ending:
            case "finished" | "left":
                return None
            case "error":
                return agent_failure(self.code, self.message)
            case "refused":
                return _refused(self, token_fault)
            case "invalid":
                return not_events(self.message)
            case _:
                return self.failed or cut(self, limits)


def cut(recording: Recording, limits: Limits | None) -> CutError:
    """The error for a stream that ended early: at the idle limit, at the timeout, or at neither."""
    silent, lasted = recording.silent, recording.lasted
    limit: Limit | None = None
    if limits and silent >= limits.idle * 0.95:
        limit, why = "idle", f"it was silent for {silent:.0f} s, which is the idle limit: check the heartbeats"
    elif limits and lasted >= limits.total * 0.95:
        limit, why = "total", f"it lasted {lasted:.0f} s, which is the integration's timeout: ask for less at a time"
    else:
        why = "no limit was near, so the agent or a proxy closed the connection: look at the runtime's log"
    return CutError(f"The stream was cut before the answer was complete: {why}.", limit)


def not_events(why: str) -> ProtocolError:
    """The error for a response that is not a stream of AG-UI events."""
    return ProtocolError(f"The answer is not a stream of AG-UI events ({why}): {NEXT_STEP}.")


def _refused(recording: Recording, token_fault: str) -> ClientError:
    """The error for a response that is not an event stream, with the gateway's message and response type."""
    if recording.status == 200:
        return not_events(f"its content type is {quoted(recording.headers.get('content-type', '')) or 'missing'}")
    try:
        told: Any = json.loads(recording.body)
        message, kind = str(told["message"]), str(told.get("type", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        message = kind = ""
    return refusal(recording.status, message, token_fault=token_fault, kind=kind)
