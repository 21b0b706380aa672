"""Checks 7 to 9: a run outlives its connection, can be read again from its beginning, and ends when it is told to."""

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
from client.doctor.responder import understood
from client.recording import Recording
from client.request import attach, encoded, stop

STOPPED_SECONDS = 4.0
"""A run that was stopped is over, and the next question's answer begins, within this time."""

IDLE_SECONDS = 5.0
"""The agent says that it is idle this soon after its last run."""

LOOKS = 3
"""A time that has moved at every look moves by itself."""

OTHERS = (
    "Another run of this user is under way, perhaps in another tab: ask again when there is none. Where it stays so, "
    "agent/runs.py counts a run that has ended."
)
"""What cannot be told apart from outside."""


class LeftRun(NamedTuple):
    """A run whose reader has hung up.

    Attributes:
        numbers: of the events that the reader got.
        first_delta: seconds until its first word.
    """

    thread_id: str
    run_id: str
    numbers: list[int]
    first_delta: float


class Attach(Check):
    """A run is read, left, and read again from its beginning: each event is there once and in order."""

    name = "attach"
    question = "who was cut off reads the same run again, each event once and in order"
    page = f"{CORE}/runtime-sessions.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        left = await _leave(context)
        try:
            body = attach(left.thread_id, left.run_id)
            again = await _send(context, body, leave_after_deltas=6)
            understood(again, "Asked to attach to a run", "agent")
            if again.ending == "error":
                raise Fail(
                    f"Asked to attach to a run that is under way, the agent answers {again.told()}.",
                    "agent/runs.py keeps a run's events; with another qualifier or session the request reaches another "
                    "microVM, which knows nothing of the run (api.sessionFrom).",
                    why="After every cut the reader has lost the answer for good.",
                )
            if again.first_delta is None:
                raise Inconclusive(f"Asked to attach to a run: {again.told()}.")
        finally:
            await _stop(context, left)
        numbers = _numbers(again, left.run_id)
        if numbers != [*range(1, len(numbers) + 1)] or numbers[: len(left.numbers)] != left.numbers:
            missing = sorted({*range(1, max(numbers, default=0) + 1)} - {*numbers})
            said = f"without {_listed(missing)}" if missing else "more than once, or not in their order"
            raise Fail(
                f"The run's events come back {said}.",
                "agent/eventlog.py numbers and keeps them: `id: <runId>:<n>` before each event, with n from 1.",
                why="A reader who goes on after a cut shows an answer with a hole or a doubled word in it.",
            )
        return Pass(f"left after event {left.numbers[-1]}, attached, and read events 1 to {numbers[-1]} once each")


class HangUp(Check):
    """A run whose reader has left can be stopped, and delays no other.

    Whether AgentCore tells the agent of a hang-up is not documented and plays no part: the run is expected to go on,
    and what is looked for is an agent that goes on when it is told to stop.
    """

    name = "hang-up"
    question = "a run that its reader has left is stopped when asked, and the next question is answered"
    page = f"{CORE}/runtime-troubleshooting.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        left = await _leave(context)
        stopped = await _stop(context, left)
        patience = max(STOPPED_SECONDS, 3 * left.first_delta)
        rest = await _send(context, attach(left.thread_id, left.run_id, left.numbers[-1]), end_within=patience)
        understood(rest, "Asked for the rest of a stopped run", "agent")
        if rest.ending == "late":
            raise self._goes_on(f"{patience:.0f} s after it was stopped the run is not over")
        following = await context.ask(
            SHORT,
            token=(await context.signed_in()).id,
            session_id=left.thread_id,
            leave_after_deltas=1,
            end_within=patience,
        )
        if following.ending == "late" or following.code == "SESSION_BUSY":
            raise self._goes_on(f"the next answer in the thread does not begin within {patience:.0f} s")
        if following.first_delta is None:
            raise Inconclusive(f"After the stop the next question got {following.told()}.")
        heard = "stopped when asked" if stopped else "over before it was stopped"
        return Pass(f"left after 3 words, {heard}; the thread's next answer began after {following.first_delta:.2f} s")

    def _goes_on(self, seen: str) -> Fail:
        return Fail(
            f"After a hang-up and a stop {seen}: the agent does not stop.",
            "agent/agent.py: nothing in it may swallow asyncio.CancelledError (except BaseException, asyncio.shield), "
            "and no thread may go on by itself.",
            why="A run that goes on unread is paid for to its end, and the user's next question waits for it.",
        )


class Ping(Check):
    """The agent says that it is busy while it answers, and idle after: that is what keeps or ends a microVM."""

    name = "ping"
    question = "the agent says HealthyBusy while a run is under way and Healthy after, and when that changed"
    page = f"{CORE}/runtime-long-run.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        try:
            before = await self._idle(context)
        except DeploymentUnavailable as error:
            return Pass("not seen from outside", [f"/ping: {error}"])
        if before is None:
            raise Inconclusive(f"Before the question the agent is busy already. {OTHERS}")
        left = await _leave(context)
        busy = await asyncio.to_thread(context.deployment.ping)
        await _stop(context, left)
        if busy.get("status") != "HealthyBusy":
            raise Fail(
                f"While a run is under way the agent's /ping says {busy.get('status')}.",
                "agent/app.py answers /ping; what answers in its place must say HealthyBusy while a run lasts.",
                why="AgentCore ends a microVM that says it is idle, in the middle of an answer.",
            )
        idle = await self._idle(context)
        if idle is None:
            raise Inconclusive(f"{IDLE_SECONDS:.0f} s after the run was stopped the agent is still busy. {OTHERS}")
        for _ in range(LOOKS):
            await asyncio.sleep(1.1)  # it is told in whole seconds
            later = await asyncio.to_thread(context.deployment.ping)
            if later.get("status") != "Healthy":
                raise Inconclusive(f"After the run the agent is busy again. {OTHERS}")
            if later.get("time_of_last_update") == idle.get("time_of_last_update"):
                return Pass("HealthyBusy during a run, Healthy after, and the time moves with the status alone")
            idle = later  # a run of somebody else's may have begun and ended meanwhile
        raise Fail(
            "time_of_last_update in the agent's /ping moves although nothing changes.",
            "agent/app.py: it is the time at which the status changed last, and not the time of the answer.",
            why="AgentCore takes the microVM for one that works, keeps it for eight hours, and bills them.",
        )

    async def _idle(self, context: CheckContext) -> Mapping[str, Any] | None:
        """What the agent says once it is idle; None when it does not become so."""
        deadline = time.monotonic() + IDLE_SECONDS
        while (said := await asyncio.to_thread(context.deployment.ping)).get("status") != "Healthy":
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(0.1)
        return said


async def _leave(context: CheckContext) -> LeftRun:
    """Ask for a long answer, and hang up after three words."""
    left = await context.ask(LONG, token=(await context.signed_in()).id, leave_after_deltas=3)
    understood(left, "Asked for a long answer", "agent")
    if left.ending == "finished":
        raise Inconclusive("The answer was over before there was time to hang up.")
    if left.ending != "left":
        must_be_answered(left, "through the API")
    run_id = next((mark.id.rpartition(":")[0] for mark in left.marks if mark.id), "")
    if not run_id:
        raise Inconclusive("The agent numbers no events (no `id:` lines), so its runs cannot be attached to.")
    return LeftRun(left.session_id, run_id, _numbers(left, run_id), left.first_delta or 0)


async def _stop(context: CheckContext, left: LeftRun) -> bool:
    """Whether the agent says that it has stopped a run."""
    answer = await _send(context, stop(left.thread_id, left.run_id))
    understood(answer, "Asked to stop a run", "agent")
    try:
        return bool(json.loads(answer.body)["stopped"])
    except (ValueError, KeyError, TypeError):
        raise Inconclusive(f"Asked to stop a run: {answer.told()}.") from None


async def _send(context: CheckContext, body: Mapping[str, Any], **how: Any) -> Recording:
    token = (await context.signed_in()).id
    return await context.ask("", token=token, session_id=str(body["threadId"]), body=encoded(body), **how)


def _numbers(recording: Recording, run_id: str) -> list[int]:
    """The numbers of a run's events, as they came."""
    ids = (mark.id.rpartition(":") for mark in recording.marks)
    return [int(number) for run, _, number in ids if run == run_id and number.isdigit()]


def _listed(numbers: list[int]) -> str:
    return f"event {', '.join(map(str, numbers[:5]))}{' and more' if len(numbers) > 5 else ''}"
