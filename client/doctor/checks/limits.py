"""Checks 6 and 9: silence and haste."""

from __future__ import annotations

import asyncio
import time

from client.doctor.check import AG, BEGIN_SECONDS, Check, CheckContext, Fail, Inconclusive, Pass, throttled
from client.doctor.deployment import Throttle
from client.doctor.probe import silent
from client.doctor.responder import responder_of, understood
from client.exchange import record
from client.recording import Recording

MOST_REQUESTS = 150
"""A burst larger than this is not sent: a check must not be an attack."""

RECOVERY_SECONDS = 15.0
MOST_PATIENCE = 60.0

MOST_SILENCE = 60.0
"""Seconds of silence that are waited for without ``--slow``."""


class Heartbeat(Check):
    """While a run is silent, heartbeats come; with ``--slow`` they carry it past the idle limit."""

    name = "heartbeat"
    question = "heartbeats come while a run is silent, and (--slow) keep it alive past the idle limit"
    page = f"{AG}/response-transfer-mode.html"

    def prepare(self, context: CheckContext) -> None:
        """Ask for the silent run as soon as the token is known to be good: it is waiting and nothing else."""
        if context.accepted and context.silence is None and _silence(context):
            context.silence = asyncio.create_task(_ask_for_silence(context))

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        silence = _silence(context)
        if not silence:
            return Pass("not waited for", ["heartbeats: they are so far apart that only --slow waits for one"])
        answer = await (context.silence or _ask_for_silence(context))
        understood(answer, "With a run that is silent", "agent")
        beats = sum(mark.kind == "comment" for mark in answer.marks)
        limit = context.outputs.idle_timeout_seconds / context.outputs.time_scale
        if answer.ending == "cut":
            raise Fail(
                f"The stream was cut after {answer.lasted:.1f} s, {beats} heartbeats; the idle limit is {limit:g} s.",
                "Pulumi.<stack>.yaml: api.heartbeatSeconds at half the idle limit or less; the agent sends a comment "
                "line at that interval (agent/reader.py).",
                why="The gateway cuts a stream that is silent for 5 minutes (30 s at the edge); a tool call can be.",
            )
        if answer.ending != "finished":
            raise Inconclusive(f"The silent run got {answer.told()}.")
        if answer.lasted < silence:
            unpaused = "The model did not pause; only the scripted one does when asked."
            if context.slow:
                raise Inconclusive(unpaused)
            return Pass("nothing was silent", [f"heartbeats: {unpaused}"])
        if not beats:
            raise Fail(
                f"The stream was silent for {silence:.1f} s, and no heartbeat came; one is due every "
                f"{_interval(context):g} s.",
                "agent/reader.py sends a comment line every AGENT_HEARTBEAT_SECONDS (api.heartbeatSeconds); an answer "
                "that does not come from there has none.",
                why="A tool that works for longer than the idle limit loses its reader the whole answer.",
            )
        past = f" past a limit of {limit:g} s" if silence > limit else ""
        return Pass(f"silent for {silence:.1f} s{past}; {beats} heartbeats, then the end")


def _interval(context: CheckContext) -> float:
    return context.outputs.heartbeat_seconds / context.outputs.time_scale


def _silence(context: CheckContext) -> float:
    """Seconds of silence to ask for; 0 when there is no time for it."""
    if context.slow:
        # Well past the limit: on a busy machine the cut may come late, and must still come before the next word.
        return context.outputs.idle_timeout_seconds / context.outputs.time_scale * 1.1 + 3
    seconds = _interval(context) * 1.2 + 0.5
    return seconds if seconds <= MOST_SILENCE else 0


async def _ask_for_silence(context: CheckContext) -> Recording:
    return await context.ask(silent(_silence(context)), token=(await context.signed_in()).id)


class ThrottleAnswers(Check):
    """More requests than the bucket holds get 429, and a moment later requests are taken again."""

    name = "throttle"
    question = "a burst beyond the throttle is answered with 429, and the API recovers"
    page = f"{AG}/api-gateway-request-throttling.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        throttle = await asyncio.to_thread(context.deployment.throttle)
        if throttle is None:
            raise Fail(
                "The stage declares no throttle.",
                "Pulumi.<stack>.yaml: api.invocationRate and api.invocationBurst; infra/api.py declares them.",
                why="The throttle is what stands between a loop in somebody's script and the bill for the model.",
            )
        # Twice what the bucket holds, so that what flows back into it meanwhile does not matter.
        count = throttle.burst * 2 + int(throttle.rate)
        if count > MOST_REQUESTS:
            return Pass(
                f"declared: {throttle.rate:g} a second, {throttle.burst} at once",
                [f"the 429 itself: it would take {count} requests, and the doctor sends {MOST_REQUESTS} at most"],
            )
        token = (await context.signed_in()).id
        started = time.monotonic()
        answers = await asyncio.gather(*(self._ask(context, token) for _ in range(count)))
        took = time.monotonic() - started
        refused = [answer for answer in answers if throttled(answer)]
        if not refused:
            for answer in answers:
                understood(answer, f"With {count} requests at once", "API", "agent", "runtime")
            self._judge_unrefused(throttle, answers, took)
        waited = await self._recovery(context, token, throttle)
        return Pass(f"{len(refused)} of {count} at once got 429; taken again after {waited:.1f} s")

    def _judge_unrefused(self, throttle: Throttle, answers: list[Recording], took: float) -> None:
        """Nobody was refused: is that the stack's doing, or was this machine too slow to be too fast?

        Raises:
            Inconclusive, Fail: always one of them.
        """
        # The bucket refills while they are being sent, and a tenth more is a clock's and a network's business.
        allowed = (throttle.burst + throttle.rate * took) * 1.1
        if len(answers) <= allowed:
            raise Inconclusive(
                f"{len(answers)} requests took {took:.1f} s from this machine, and in that time the throttle may let "
                f"{allowed:.0f} through: run the check where less else is running."
            )
        statuses = sorted({answer.status for answer in answers})
        raise Fail(
            f"{len(answers)} requests in {took:.1f} s, and none was refused (answers: {statuses}); the stage declares "
            f"{throttle.burst} at once and {throttle.rate:g} a second.",
            "infra/api.py, MethodSettings: method_path must name the method (invocations/POST). API Gateway "
            "throttles by best effort, so run this check again before you look further.",
            why="A throttle that is declared and does not act is noticed on the bill.",
        )

    async def _ask(self, context: CheckContext, token: str) -> Recording:
        # A body that the API's model refuses: throttled like any other, and no microVM is woken for it.
        url = context.outputs.invoke_url
        return await record(context.http, url, token, "", body=b"{}", leave_after_deltas=1, begin_within=BEGIN_SECONDS)

    async def _recovery(self, context: CheckContext, token: str, throttle: Throttle) -> float:
        started = time.monotonic()
        # A bucket with a slow trickle takes longer for its first token; twice that is time enough.
        patience = min(max(RECOVERY_SECONDS, 2 / max(throttle.rate, 0.01)), MOST_PATIENCE)
        while (waited := time.monotonic() - started) < patience:
            answer = await self._ask(context, token)
            if responder_of(answer) != "throttle":
                understood(answer, "After the burst", "API", "agent", "runtime")
                return waited
            await asyncio.sleep(0.2)
        raise Fail(
            f"The throttle still refuses after {patience:g} s.",
            "Somebody else may be emptying the bucket (the access log says who), or a team's own plan has a smaller "
            "one: api.invocationRate, api.teams.",
            why="While it refuses, everybody who shares the bucket waits, and clients that ask again keep it empty.",
        )
