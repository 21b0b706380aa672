"""What came back for one question, with the moment of every arrival in it, whatever it is.

Owns the facts and what they mean as an error; `client.exchange` fills it.
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
"""Milliseconds since 1970: thirty thousand years, beyond which a number is no moment and may be no number."""

NEXT_STEP = "check that invokeUrl is this stack's, and what the agent yields"


class Limits(NamedTuple):
    """The stack's limits in seconds; they tell why a stream was cut."""

    idle: float
    total: float

    @classmethod
    def of(cls, outputs: Outputs) -> Limits:
        """A stack's limits, as short as a local run makes them."""
        return cls(
            outputs.idle_timeout_seconds / outputs.time_scale,
            outputs.timeout_seconds / outputs.time_scale,
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that arrived.

    Attributes:
        seconds: since the question was sent.
        kind: a text delta, another event, or a comment (a heartbeat).
        text: the words of a text delta.
        made: when the agent says that it made the event, in Unix seconds; None where it does not say.
        id: of the event, ``<runId>:<number>``; empty where it has none.
        type: of the event; empty for a comment.
    """

    seconds: float
    kind: Kind
    text: str = ""
    made: float | None = None
    id: str = ""
    type: str = ""


def mark_of(event: dict[str, Any], seconds: float, id_: str | None = None) -> Mark:
    """An event as it is kept."""
    stamp, type_ = event.get("timestamp"), event["type"]
    made = stamp / 1000 if isinstance(stamp, int | float) and 0 <= stamp < LATEST_STAMP else None
    text = event["delta"] if type_ == "TEXT_MESSAGE_CONTENT" else ""
    return Mark(seconds, "delta" if type_ == "TEXT_MESSAGE_CONTENT" else "event", text, made, id_ or "", type_)


@dataclass(slots=True)
class Recording:
    """Everything that came back for one question. Times are seconds since it was sent.

    Attributes:
        status: the HTTP status; 0 when there was no answer.
        headers: of the answer.
        body: of an answer that is not an event stream; as much of it as `client.exchange` reads.
        ending: how it ended; ``left`` when the recorder hung up, ``late`` when it took longer than it was given,
            ``invalid`` when it was not a stream of AG-UI events.
        code: of a ``RUN_ERROR``.
        message: of a ``RUN_ERROR``, or why there was no answer, or no whole one.
        headers_after: when the headers were here.
        silent: how long nothing had come when it ended.
        lasted: when it was over.
        failed: the error of a connection that never answered.
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
        """The pieces of text."""
        return [mark for mark in self.marks if mark.kind == "delta"]

    @property
    def first_delta(self) -> float | None:
        """When the first words were here; None when there were none."""
        return next((mark.seconds for mark in self.marks if mark.kind == "delta"), None)

    @property
    def over(self) -> bool:
        """Whether the run has said itself that it is over, so that nothing that comes later matters."""
        return self.ending in ("finished", "error")

    @property
    def request_id(self) -> str:
        """The gateway's id for the request; empty when there is none."""
        return str(self.headers.get("x-amzn-requestid", ""))

    @property
    def by_runtime(self) -> bool:
        """Whether AgentCore, and not the gateway, refused.

        Its 401 carries a challenge that the gateway renames on the way, and says *Missing Authentication Token* where
        the gateway says that with 403.
        """
        challenged = "x-amzn-remapped-www-authenticate" in self.headers or "www-authenticate" in self.headers
        return self.status in (409, 424) or challenged or (self.status == 401 and b"Missing Auth" in self.body)

    def told(self) -> str:
        """What came back, in a few words."""
        if self.status == 0:
            return f"no answer ({self.message})"
        if self.ending == "error":
            return f"RUN_ERROR {quoted(self.code)}"
        if self.status != 200:
            return f"{self.status} {quoted(self.body[:200].decode(errors='replace'))}".strip()
        return f"200, {len(self.deltas)} text events, {self.ending}"

    def failure(self, limits: Limits | None = None, token_fault: str = "") -> ClientError | None:
        """Why this is no whole answer; None when it is one.

        Args:
            limits: the stack's, to name the one at which a stream was cut.
            token_fault: what to say of the token if it was refused, from `client.account.token_fault`.
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
    """The error for a stream that ended early: by its silence, its length, or neither."""
    silent, lasted = recording.silent, recording.lasted
    limit: Limit | None = None
    if limits and silent >= limits.idle * 0.95:
        limit, why = "idle", f"it was silent for {silent:.0f} s, which is the idle limit: check the heartbeats"
    elif limits and lasted >= limits.total * 0.95:
        limit, why = "total", f"it lasted {lasted:.0f} s, which is the integration's timeout: ask for less at a time"
    else:
        why = "no limit was near, so the agent, or something on the way, broke it off: look at the runtime's log"
    return CutError(f"The stream was cut before the answer was complete: {why}.", limit)


def not_events(why: str) -> ProtocolError:
    """The error for an answer that is no stream of AG-UI events."""
    return ProtocolError(f"The answer is not a stream of AG-UI events ({why}): {NEXT_STEP}.")


def _refused(recording: Recording, token_fault: str) -> ClientError:
    """The error for an answer that is no event stream: the gateway says why, and in this stack its response type."""
    if recording.status == 200:
        return not_events(f"its content type is {quoted(recording.headers.get('content-type', '')) or 'missing'}")
    try:
        told: Any = json.loads(recording.body)
        message, kind = str(told["message"]), str(told.get("type", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        message = kind = ""
    return refusal(recording.status, message, token_fault=token_fault, kind=kind)
