"""How a run ended: its last event, and the turn that the thread's history keeps of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any, Literal

from ag_ui.core import (
    BaseEvent,
    EventType,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunFinishedSuccessOutcome,
    ToolCallResultEvent,
)

from agent.errors import AgentError, Code, RefusalError, classify
from agent.telemetry import RunRecord
from agent.transcript import Transcript
from agent.turn import PendingInterrupt, StoredTurn, Turn, unanswered_calls

__all__ = ["EndReason", "Ending", "RunEndedByAuthorError"]

EndReason = Literal["stopped", "replaced", "abandoned", "timeout", "stopping"]
"""Why a run was ended before its answer was complete: its caller stopped it (`stopped`), a new question replaced it
(`replaced`), it had no reader for too long (`abandoned`), it exceeded its time limit (`timeout`), or the server stops
(`stopping`)."""
_KEPT_OUTCOMES = {"completed", "interrupted", "stopped", "replaced", "abandoned"}
_ERRORS = {
    "stopped": AgentError(Code.STOPPED),
    "replaced": AgentError(Code.STOPPED, "The run was ended, because a new question was asked in its thread."),
    "abandoned": AgentError(Code.STOPPED, "The run was ended, because no client was reading it."),
    "timeout": AgentError(Code.RUN_TIMEOUT),
    "stopping": AgentError(Code.INTERNAL, "The agent is being stopped; ask again in a moment."),
}


class RunEndedByAuthorError(Exception):
    """An author's RUN_FINISHED or RUN_ERROR."""

    def __init__(self, event: Any) -> None:
        super().__init__(event.type.value)
        self.event = event


class Ending:
    """How a run ended.

    Args:
        turn: the run's turn, as the framework left it.
        transcript: the run's messages and state.
        failure: the exception that ended the agent.
        ended_by: why the run was ended before its answer was complete; None when it was not.
        replayed: the question had been answered before, and the stored messages were sent again.

    Attributes:
        outcome: `completed`, `interrupted`, `stopped`, `replaced`, `abandoned`, `timeout`, `error` or `refused`.
        reason: the error that its readers get; None on success.
        failure: the exception to log; None where the outcome is enough.
    """

    def __init__(
        self,
        turn: Turn,
        transcript: Transcript,
        *,
        failure: BaseException | None,
        ended_by: EndReason | None,
        replayed: bool,
    ) -> None:
        self._turn = turn
        self._transcript = transcript
        self._author = failure.event if isinstance(failure, RunEndedByAuthorError) else None
        self._ended_by = ended_by
        self._replayed = replayed
        if self._author is not None and self._author.type is EventType.RUN_FINISHED:
            failure = None
        self.outcome, self.reason = self._judge(failure)
        unsaid = (RefusalError, RunEndedByAuthorError, *([asyncio.CancelledError] if ended_by else []))
        self.failure = None if isinstance(failure, unsaid) else failure

    @property
    def kept(self) -> bool:
        """Whether the turn goes into the thread's history."""
        return self.outcome in _KEPT_OUTCOMES and not self._replayed

    def missing_results(self) -> Iterator[ToolCallResultEvent]:
        """Yield an error result for each unanswered tool call, if the run was ended early and its turn is kept."""
        if self._ended_by not in _KEPT_OUTCOMES:
            return
        for call_id in self._pending_calls():
            yield ToolCallResultEvent(
                message_id=str(uuid.uuid4()),
                tool_call_id=call_id,
                content="The run was ended before this call had a result.",
                role="tool",
            )

    def last_event(self, record: RunRecord) -> BaseEvent:
        """Return the event that ends the run; `record` gets its code and reference."""
        if self.reason is None:
            return self._success()
        if self.reason.code is Code.STOPPED and self._turn.run.speaks_1_0:
            return self._finish({"stopReason": self.outcome}, RunFinishedCancelledOutcome())
        message = record.set_error(self.reason)
        code = record.code = (self._author.code if self._author is not None else None) or self.reason.code
        return RunErrorEvent(message=message, code=code, usage=self._turn.usage or None)

    def stored(self) -> StoredTurn:
        """Return the turn for the history."""
        turn, said = self._turn, self._transcript.messages
        pending = None
        if self.outcome == "interrupted" and turn.interrupts:
            interrupts = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in turn.interrupts]
            pending = PendingInterrupt(interrupts, turn.framework or "", turn.snapshot)
        return StoredTurn(
            run_id=turn.run.run_id,
            digest=turn.run.digest,
            messages=[
                *turn.run.input_json,
                *(one for one in said if one.get("content") or one.get("toolCalls") or "toolCallId" in one),
            ],
            outcome=self.outcome,
            framework=turn.framework,
            native=turn.native if self._ended_by is None else None,
            state=self._transcript.state,
            pending=pending,
        )

    def _judge(self, failure: BaseException | None) -> tuple[str, AgentError | None]:
        if self._ended_by is not None:
            return ("error" if self._ended_by == "stopping" else self._ended_by), _ERRORS[self._ended_by]
        if self._author is not None and self._author.type is EventType.RUN_ERROR:
            return "error", AgentError(Code.INTERNAL, self._author.message)
        if failure is None and self._transcript.empty and not self._replayed:
            return "error", AgentError(Code.MODEL_OUTPUT_INVALID)
        if failure is None:
            return ("interrupted" if self._turn.interrupts or self._pending_calls() else "completed"), None
        return ("refused" if isinstance(failure, RefusalError) else "error"), classify(failure)

    def _success(self) -> RunFinishedEvent:
        outcome: Any = self._author.outcome if self._author is not None else None
        if self._turn.interrupts:
            outcome = RunFinishedInterruptOutcome(interrupts=self._turn.interrupts)
        elif outcome is None and self._turn.run.speaks_1_0:
            outcome = RunFinishedSuccessOutcome(pending_tool_call_ids=self._pending_calls() or None)
        result = self._author.result if self._author is not None else None
        return self._finish({"stopReason": self._turn.stop_reason} if result is None else result, outcome)

    def _finish(self, result: Any, outcome: Any) -> RunFinishedEvent:
        return RunFinishedEvent(
            thread_id=self._turn.run.thread_id,
            run_id=self._turn.run.run_id,
            result=result,
            outcome=outcome,
            usage=self._turn.usage or None,
        )

    def _pending_calls(self) -> list[str]:
        """Return the ids of the tool calls that the page has to answer."""
        return list(unanswered_calls(self._transcript.messages))
