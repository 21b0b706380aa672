"""One run from start to end: whose turn it is, what was said before, the agent, what to remember."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from ag_ui.core import BaseEvent, RunFinishedEvent, RunStartedEvent
from strands.models import Model
from strands.types.content import Messages

from agent.errors import AgentError
from agent.events import Transcript, translate
from agent.memory import Memory
from agent.request import Run
from agent.sessions import Sessions
from agent.settings import Settings
from agent.telemetry import RunRecord, error_fields, log_line

__all__ = ["BuildAgent", "events_of"]

BuildAgent = Callable[[Run, Model, Messages], Any]
"""`agent.agent.build_agent`: from the run, the model and the history to an agent or its words."""


async def events_of(
    run: Run,
    *,
    sessions: Sessions,
    backends: asyncio.Future[tuple[Model, Memory]],
    build_agent: BuildAgent,
    record: RunRecord,
    settings: Settings,
) -> AsyncGenerator[BaseEvent, None]:
    """Yield the events of `run`, from RUN_STARTED to RUN_FINISHED; whatever fails is raised.

    `backends` are the model and the memory, which may still be in the making. A turn that fails, is
    interrupted or was stopped by a guardrail leaves no trace in the history.
    """
    session = sessions.claim(run)
    yield RunStartedEvent(thread_id=run.thread_id, run_id=run.run_id)
    async with session.turn():
        model, memory = await asyncio.shield(backends)
        transcript = Transcript(run.prompt)
        agent = build_agent(run, model, await memory.load(run))
        async with aclosing(translate(agent, transcript)) as events:
            async for event in events:
                yield event
        if transcript.stop_reason != "guardrail_intervened":
            await _save(memory, run, transcript)
    provider, _, name = settings.model.partition(":")
    usage = transcript.usage(provider, name or provider)
    record.input_tokens = sum(part.input_tokens or 0 for part in usage)
    record.output_tokens = sum(part.output_tokens or 0 for part in usage)
    yield RunFinishedEvent(
        thread_id=run.thread_id,
        run_id=run.run_id,
        result={"stopReason": transcript.stop_reason},
        usage=usage or None,
    )


async def _save(memory: Memory, run: Run, transcript: Transcript) -> None:
    """Save the turn. The caller has the whole answer by now, so a failure is the operator's to know."""
    try:
        await memory.save(run, transcript.messages)
    except AgentError as error:
        log_line({"message": "turn not saved", "level": "ERROR", "sessionId": run.session_id} | error_fields(error))
