"""One run from start to end: whose turn it is, what was said before, the agent, what to remember."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from typing import Any

from ag_ui.core import BaseEvent, RunFinishedEvent, RunStartedEvent
from strands import Agent
from strands.models import Model
from strands.types.content import Messages

from agent.events import Transcript, translate
from agent.memory import Memory, is_whole
from agent.request import Run
from agent.sessions import Sessions, Turn
from agent.settings import Settings
from agent.telemetry import RunRecord, error_fields, log_line

__all__ = ["BuildAgent", "events_of"]

BuildAgent = Callable[[Run, Model, Messages], Any]
"""`agent.agent.build_agent`: from the run, the model and the history to an agent or its words."""


async def events_of(
    run: Run,
    *,
    sessions: Sessions,
    turn: Turn,
    backends: asyncio.Future[tuple[Model, Memory]],
    build_agent: BuildAgent,
    record: RunRecord,
    settings: Settings,
) -> AsyncGenerator[BaseEvent, None]:
    """Yield the events of `run`, from RUN_STARTED to RUN_FINISHED; whatever fails is raised.

    `backends` are the model and the memory, which may still be in the making. A turn that fails, is interrupted, is
    not whole or was stopped by a guardrail leaves no trace in the history.
    """
    with turn:
        turn.join(sessions.claim(run))
        yield RunStartedEvent(thread_id=run.thread_id, run_id=run.run_id)
        await turn.begin()
        model, memory = await asyncio.shield(backends)
        transcript = Transcript(run.prompt)
        agent = await _build(build_agent, run, model, await memory.load(run))
        try:
            async with aclosing(translate(agent, transcript)) as events:
                async for event in events:
                    yield event
        finally:  # a run that fails or is hung up on has cost its tokens too
            usage = transcript.usage(settings.model)
            for part in usage:
                record.input_tokens, record.output_tokens = part.input_tokens, part.output_tokens
        # A run that outlived its cancellation has lost its turn, and the next run of the session may have begun.
        if turn.begun and transcript.stop_reason != "guardrail_intervened":
            await _save(memory, run, transcript)
    yield RunFinishedEvent(
        thread_id=run.thread_id,
        run_id=run.run_id,
        result={"stopReason": transcript.stop_reason},
        usage=usage or None,
    )


async def _build(build_agent: BuildAgent, run: Run, model: Model, history: Messages) -> Agent | AsyncIterable[str]:
    """Call the author's `build_agent`, which may be a coroutine function too."""
    agent = build_agent(run, model, history)
    if inspect.isawaitable(agent):
        agent = await agent
    if not isinstance(agent, Agent | AsyncIterable):
        what = "None" if agent is None else f"a {type(agent).__name__}"
        raise TypeError(f"build_agent returned {what}; return a Strands Agent or an async generator of str")
    return agent


async def _save(memory: Memory, run: Run, transcript: Transcript) -> None:
    """Save the turn. The caller has the whole answer by now, so a failure is the operator's to know."""
    not_saved = {"message": "turn not saved", "sessionId": run.session_id, "requestId": run.request_id}
    if not is_whole(transcript.messages):
        reason = f"it is not whole; the agent stopped with {transcript.stop_reason}"
        log_line({**not_saved, "level": "WARNING", "reason": reason})
        return
    try:
        await memory.save(run, transcript.messages)
    except Exception as error:  # noqa: BLE001 - what a tool returned may be nothing that can be kept
        log_line({**not_saved, "level": "ERROR", **error_fields(error)})
