"""Checks 7 to 9: a run outlives its connection, can be read again from its beginning, and can be stopped."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from client.doctor.check import CORE, Check, CheckContext, Fail, Inconclusive, Pass
from client.doctor.checks.streaming import must_be_answered
from client.doctor.deployment import DeploymentUnavailable
from client.doctor.probe import LONG, SHORT
from client.doctor.responder import expect_responder
from client.recording import Recording
from client.request import attach, encoded, stop

STOPPED_SECONDS = 4.0
"""Within this time a stopped run ends, and the answer to the next question begins."""

IDLE_SECONDS = 5.0
"""Within this time after its last run the agent reports that it is idle."""

SAMPLES = 3
"""If time_of_last_update differs in this many consecutive responses, it changes by itself."""

ANOTHER_RUN = (
    "Another run of this user may be under way, perhaps in another tab: run the doctor again when it has ended. If the "
    "agent stays busy, agent/runs.py still counts a run that has ended."
)
"""Two causes that cannot be distinguished from outside."""


class DetachedRun(NamedTuple):
    """A run whose reader has disconnected.

    Attributes:
        numbers: the numbers of the events that the reader got.
        first_delta: seconds until the first text.
    """

    thread_id: str
    run_id: str
    numbers: list[int]
    first_delta: float


class Attach(Check):
    """Reads a run, disconnects, and reads it again from its beginning: each event must be there once and in order."""

    name = "attach"
    question = "after a cut the same run can be read again, each event once and in order"
    page = f"{CORE}/runtime-sessions.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        run = await _start_and_disconnect(context)
        try:
            body = attach(run.thread_id, run.run_id)
            again = await _send(context, body, leave_after_deltas=6)
            expect_responder(again, "Asked to attach to a run", "agent")
            if again.ending == "error":
                raise Fail(
                    f"Asked to attach to a run that is under way, the agent answers {again.summary()}.",
                    "agent/runs.py keeps a run's events; with another qualifier or session the request reaches another "
                    "microVM, which does not have the run (api.sessionFrom).",
                    why="After a cut the rest of the answer is lost.",
                )
            if again.first_delta is None:
                raise Inconclusive(f"Asked to attach to a run: {again.summary()}.")
        finally:
            await _stop(context, run)
        numbers = _numbers(again, run.run_id)
        if numbers != [*range(1, len(numbers) + 1)] or numbers[: len(run.numbers)] != run.numbers:
            missing = sorted({*range(1, max(numbers, default=0) + 1)} - {*numbers})
            said = f"without {_listed(missing)}" if missing else "repeated, or out of order"
            raise Fail(
                f"The run's events are returned {said}.",
                "agent/eventlog.py numbers and keeps them: `id: <runId>:<n>` before each event, with n from 1.",
                why="After a cut a client shows an answer with missing or repeated text.",
            )
        return Pass(f"cut after event {run.numbers[-1]}, attached, and read events 1 to {numbers[-1]} once each")


class HangUp(Check):
    """Disconnects from a run, stops it, and asks the next question.

    AWS does not document whether AgentCore tells the agent of a disconnect, so the run may continue until the stop; the
    check finds an agent that ignores the stop.
    """

    name = "hang-up"
    question = "after a disconnect the run can be stopped, and the next question is answered"
    page = f"{CORE}/runtime-troubleshooting.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        run = await _start_and_disconnect(context)
        stopped = await _stop(context, run)
        patience = max(STOPPED_SECONDS, 3 * run.first_delta)
        rest = await _send(context, attach(run.thread_id, run.run_id, run.numbers[-1]), end_within=patience)
        expect_responder(rest, "Asked for the rest of a stopped run", "agent")
        if rest.ending == "late":
            raise self._not_stopped(f"the run has not ended after {patience:.0f} s")
        following = await context.ask(
            SHORT,
            token=(await context.signed_in()).id,
            session_id=run.thread_id,
            leave_after_deltas=1,
            end_within=patience,
        )
        if following.ending == "late" or following.code == "SESSION_BUSY":
            raise self._not_stopped(f"the thread's next answer does not start within {patience:.0f} s")
        if following.first_delta is None:
            raise Inconclusive(f"After the stop the next question got {following.summary()}.")
        heard = "stopped on request" if stopped else "ended before the stop"
        return Pass(f"cut after 3 words, {heard}; the thread's next answer began after {following.first_delta:.2f} s")

    def _not_stopped(self, seen: str) -> Fail:
        return Fail(
            f"After a disconnect and a stop, {seen}: the agent does not stop.",
            "agent/agent.py: it must not swallow asyncio.CancelledError (except BaseException, asyncio.shield), nor "
            "continue in a thread.",
            why="A run that continues unread costs money until its end, and the user's next question waits for it.",
        )


class Ping(Check):
    """Reads /ping before, during and after a run: AgentCore keeps or ends a microVM by it."""

    name = "ping"
    question = "/ping reports HealthyBusy during a run and Healthy after it, and the time of the last change"
    page = f"{CORE}/runtime-long-run.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        try:
            before = await self._idle(context)
        except DeploymentUnavailable as error:
            return Pass("not reachable from outside", [f"/ping: {error}"])
        if before is None:
            raise Inconclusive(f"The agent is busy before the question. {ANOTHER_RUN}")
        run = await _start_and_disconnect(context)
        busy = await asyncio.to_thread(context.deployment.ping)
        await _stop(context, run)
        if busy.get("status") != "HealthyBusy":
            raise Fail(
                f"While a run is under way the agent's /ping reports {busy.get('status')}.",
                "agent/app.py answers /ping; a replacement must report HealthyBusy during a run.",
                why="AgentCore ends a microVM that reports to be idle, in the middle of an answer.",
            )
        idle = await self._idle(context)
        if idle is None:
            raise Inconclusive(f"The agent is still busy {IDLE_SECONDS:.0f} s after the run was stopped. {ANOTHER_RUN}")
        for _ in range(SAMPLES):
            await asyncio.sleep(1.1)  # the time is in whole seconds
            later = await asyncio.to_thread(context.deployment.ping)
            if later.get("status") != "Healthy":
                raise Inconclusive(f"The agent is busy again after the run. {ANOTHER_RUN}")
            if later.get("time_of_last_update") == idle.get("time_of_last_update"):
                return Pass("HealthyBusy during a run, Healthy after it, and the time changes only with the status")
            idle = later  # another run may have started and ended in between
        raise Fail(
            "time_of_last_update in the agent's /ping changes although the status does not.",
            "agent/app.py: it must be the time of the last change of the status, not of the response.",
            why="AgentCore considers the microVM busy, and keeps and bills it for eight hours.",
        )

    async def _idle(self, context: CheckContext) -> Mapping[str, Any] | None:
        """Return the first idle /ping response; None if the agent stays busy."""
        deadline = time.monotonic() + IDLE_SECONDS
        while (said := await asyncio.to_thread(context.deployment.ping)).get("status") != "Healthy":
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(0.1)
        return said


async def _start_and_disconnect(context: CheckContext) -> DetachedRun:
    """Ask for a long answer, and disconnect after three words."""
    run = await context.ask(LONG, token=(await context.signed_in()).id, leave_after_deltas=3)
    expect_responder(run, "Asked for a long answer", "agent")
    if run.ending == "finished":
        raise Inconclusive("The answer ended before the disconnect.")
    if run.ending != "left":
        must_be_answered(run, "through the API")
    run_id = next((mark.id.rpartition(":")[0] for mark in run.marks if mark.id), "")
    if not run_id:
        raise Inconclusive(
            "The agent does not number its events (no `id:` lines), so clients cannot attach to its runs."
        )
    return DetachedRun(run.session_id, run_id, _numbers(run, run_id), run.first_delta or 0)


async def _stop(context: CheckContext, run: DetachedRun) -> bool:
    """Stop a run; return whether the agent reports that it was under way."""
    answer = await _send(context, stop(run.thread_id, run.run_id))
    expect_responder(answer, "Asked to stop a run", "agent")
    try:
        return bool(json.loads(answer.body)["stopped"])
    except (ValueError, KeyError, TypeError):
        raise Inconclusive(f"Asked to stop a run: {answer.summary()}.") from None


async def _send(context: CheckContext, body: Mapping[str, Any], **how: Any) -> Recording:
    token = (await context.signed_in()).id
    return await context.ask("", token=token, session_id=str(body["threadId"]), body=encoded(body), **how)


def _numbers(recording: Recording, run_id: str) -> list[int]:
    """Return the numbers of a run's events in the order of their arrival."""
    ids = (mark.id.rpartition(":") for mark in recording.marks)
    return [int(number) for run, _, number in ids if run == run_id and number.isdigit()]


def _listed(numbers: list[int]) -> str:
    return f"event {', '.join(map(str, numbers[:5]))}{' and more' if len(numbers) > 5 else ''}"
