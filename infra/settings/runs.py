"""Settings of a run: how long it may last, what happens without a reader, and the limits of a request.

A *run* is one answer of the agent. A connection only reads it: the run goes on when the connection is lost, and is
taken up again (``attach``) or ended (``stop``) by another request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from contract import BODY_LIMIT_BYTES
from infra.settings.base import Contradiction, Settings
from infra.settings.patterns import Pattern

MEDIA_HOST = Pattern(
    "a host name in lower case, like images.example.com",
    r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}",
    why="the agent fetches from named public hosts only, and compares their names exactly",
)


class RunSettings(Settings):
    """The settings of the agent's runs; `RuntimeSettings` adds those of the agent's deployment."""

    run_seconds: int | None = Field(
        None,
        ge=1,
        le=1_209_600,
        description="Longest run, over as many connections as its readers need. Left out: a little less than "
        "api.timeoutSeconds, so that one connection can read it to its end.",
    )
    detached_seconds: int = Field(
        300,
        ge=0,
        le=1_209_600,
        description="How long a run goes on without a reader. 0 ends it at once.",
    )
    keep_seconds: int = Field(
        300, ge=0, le=86_400, description="How long the events of a finished run can still be read."
    )
    when_busy: Literal["interrupt", "queue", "reject"] = Field(
        "interrupt",
        description="What a question does when its thread has a run already: end that run, wait for it, or be refused "
        "with SESSION_BUSY.",
    )
    caller_history: Literal["ignore", "use"] = Field(
        "ignore",
        description="Earlier messages in a request, when the agent has no history of the thread: ignore leaves them "
        "out; use makes them the history, although the caller could have invented them.",
    )
    tool_errors: Literal["model", "run"] = Field(
        "model", description="Who handles a tool's exception: the model, which may try again, or the run, which ends."
    )
    guardrail_stream: Literal["sync", "async"] = Field(
        "sync",
        description="sync: the guardrail checks text before the user gets it. async: text is sent at once, and the "
        "user may have read some when the guardrail intervenes.",
    )
    media_hosts: list[Annotated[str, MEDIA_HOST]] = Field(
        [],
        max_length=20,
        description="Hosts from which the agent fetches images and documents that a caller names by address. Empty: "
        "callers send the data itself.",
    )
    keep_media: Literal["note", "keep"] = Field(
        "note", description="What the history holds of an image or document: a note that there was one, or the data."
    )
    max_body_bytes: int = Field(
        BODY_LIMIT_BYTES,
        ge=1_024,
        le=BODY_LIMIT_BYTES,
        description="Largest request body that the agent reads. API Gateway accepts 10 MB.",
    )
    max_prompt_chars: int = Field(
        32_000, ge=1, le=1_000_000, description="Longest text of a user in one question, in characters."
    )
    max_messages: int = Field(
        200, ge=1, le=10_000, description="How many messages of a thread the agent keeps and gives to the model."
    )

    def run_contradictions(self, session_seconds: int, idle_session_seconds: int) -> Iterator[Contradiction]:
        """Contradictions between a run's times, and with the lifetime of the microVM, in seconds."""
        if self.run_seconds is not None and self.run_seconds >= session_seconds:
            yield Contradiction(
                ("runSeconds", "sessionSeconds"),
                f"the microVM that gives the answer ends after {session_seconds} s",
                f"write {session_seconds - 1} or less, or raise sessionSeconds",
            )
        # A default is shortened instead; only a value in the file can be wrong.
        written = self.model_fields_set
        if "detached_seconds" in written and self.run_seconds is not None and self.detached_seconds > self.run_seconds:
            yield Contradiction(
                ("detachedSeconds", "runSeconds"),
                f"a run ends after {self.run_seconds} s, whether it is read or not",
                f"write {self.run_seconds} or less",
            )
        if "keep_seconds" in written and self.keep_seconds > idle_session_seconds:
            yield Contradiction(
                ("keepSeconds", "idleSessionSeconds"),
                f"an idle microVM ends after {idle_session_seconds} s, and the events that it keeps are lost",
                f"write {idle_session_seconds} or less, or raise idleSessionSeconds",
            )
