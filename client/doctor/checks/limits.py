"""Checks 6 and 11: heartbeats during silence, and the throttle."""

from __future__ import annotations

import asyncio
import time

from client.doctor.check import AG, BEGIN_SECONDS, Check, CheckContext, Fail, Inconclusive, Pass, throttled
from client.doctor.deployment import Throttle
from client.doctor.probe import silent
from client.doctor.responder import expect_responder, responder_of
from client.exchange import record
from client.recording import Recording

MAX_REQUESTS = 150
"""A larger burst is not sent, so that the check is not an attack."""

RECOVERY_SECONDS = 15.0
MAX_RECOVERY_SECONDS = 60.0

MAX_SILENCE = 60.0
"""The longest silence, in seconds, that is tested without ``--slow``."""


class Heartbeat(Check):
    """Starts a silent run and expects heartbeats; with ``--slow`` the silence exceeds the idle limit."""

    name = "heartbeat"
    question = "a silent run sends heartbeats, and (--slow) they keep its connection open past the idle limit"
    page = f"{AG}/response-transfer-mode.html"

    def prepare(self, context: CheckContext) -> None:
        """Start the silent run as soon as the token was accepted, because it only waits."""
        if context.accepted and context.silence is None and _silence(context):
            context.silence = asyncio.create_task(_ask_for_silence(context))

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        silence = _silence(context)
        if not silence:
            return Pass("not tested", ["heartbeats: the interval is so long that only --slow waits for one"])
        answer = await (context.silence or _ask_for_silence(context))
        expect_responder(answer, "With a run that is silent", "agent")
        beats = sum(mark.kind == "comment" for mark in answer.marks)
        limit = context.outputs.idle_timeout_seconds / context.outputs.time_scale
        if answer.ending == "cut":
            raise Fail(
                f"The stream was cut after {answer.lasted:.1f} s, {beats} heartbeats; the idle limit is {limit:g} s.",
                "Pulumi.<stack>.yaml: api.heartbeatSeconds at half the idle limit or less; the agent sends a comment "
                "line at that interval (agent/reader.py).",
                why="The gateway cuts a stream after 5 minutes of silence (30 s with EDGE), and a tool call can take "
                "longer.",
            )
        if answer.ending != "finished":
            raise Inconclusive(f"The silent run got {answer.summary()}.")
        if answer.lasted < silence:
            unpaused = "The model did not pause; only the scripted model pauses on request."
            if context.slow:
                raise Inconclusive(unpaused)
            return Pass("the run was not silent", [f"heartbeats: {unpaused}"])
        if not beats:
            raise Fail(
                f"The stream was silent for {silence:.1f} s without a heartbeat; one is due every "
                f"{_interval(context):g} s.",
                "agent/reader.py sends a comment line every AGENT_HEARTBEAT_SECONDS (api.heartbeatSeconds); a response "
                "that bypasses it has none.",
                why="While a tool runs for longer than the idle limit, the gateway cuts the answer.",
            )
        past = f" past a limit of {limit:g} s" if silence > limit else ""
        return Pass(f"silent for {silence:.1f} s{past}; {beats} heartbeats, then the end")


def _interval(context: CheckContext) -> float:
    return context.outputs.heartbeat_seconds / context.outputs.time_scale


def _silence(context: CheckContext) -> float:
    """Return the seconds of silence to ask for; 0 if that would take too long."""
    if context.slow:
        # Well past the limit: on a busy machine the cut may be late, and must still precede the next word.
        return context.outputs.idle_timeout_seconds / context.outputs.time_scale * 1.1 + 3
    seconds = _interval(context) * 1.2 + 0.5
    return seconds if seconds <= MAX_SILENCE else 0


async def _ask_for_silence(context: CheckContext) -> Recording:
    return await context.ask(silent(_silence(context)), token=(await context.signed_in()).id)


class ThrottleAnswers(Check):
    """Sends more requests than the bucket holds, expects 429, and waits until requests are accepted again."""

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
                why="Without a throttle, a loop in a script can cause an unlimited bill for the model.",
            )
        # Twice the burst, so that the tokens added in the meantime do not matter.
        count = throttle.burst * 2 + int(throttle.rate)
        if count > MAX_REQUESTS:
            return Pass(
                f"declared: {throttle.rate:g} a second, {throttle.burst} at once",
                [f"the 429 itself: it would take {count} requests, and the doctor sends at most {MAX_REQUESTS}"],
            )
        token = (await context.signed_in()).id
        started = time.monotonic()
        answers = await asyncio.gather(*(self._ask(context, token) for _ in range(count)))
        took = time.monotonic() - started
        refused = [answer for answer in answers if throttled(answer)]
        if not refused:
            for answer in answers:
                expect_responder(answer, f"With {count} requests at once", "API", "agent", "runtime")
            self._judge_unrefused(throttle, answers, took)
        waited = await self._recovery(context, token, throttle)
        return Pass(f"{len(refused)} of {count} at once got 429; accepted again after {waited:.1f} s")

    def _judge_unrefused(self, throttle: Throttle, answers: list[Recording], took: float) -> None:
        """Judge a burst without a 429: the throttle does not work, or this machine was too slow to exceed it.

        Raises:
            Inconclusive, Fail: always one of them.
        """
        # The bucket refills during the burst; the factor allows for the inaccuracy of clocks and network.
        allowed = (throttle.burst + throttle.rate * took) * 1.1
        if len(answers) <= allowed:
            raise Inconclusive(
                f"{len(answers)} requests took {took:.1f} s from this machine, and in that time the throttle may pass "
                f"{allowed:.0f}: run the check on a less busy machine."
            )
        statuses = sorted({answer.status for answer in answers})
        raise Fail(
            f"{len(answers)} requests in {took:.1f} s, and none was refused (answers: {statuses}); the stage declares "
            f"{throttle.burst} at once and {throttle.rate:g} a second.",
            "infra/api.py, MethodSettings: method_path must name the method (invocations/POST). API Gateway "
            "throttles by best effort, so run this check again before you look further.",
            why="A throttle without effect is noticed only on the bill.",
        )

    async def _ask(self, context: CheckContext, token: str) -> Recording:
        # The API's model refuses this body, so that the requests are throttled but start no microVM.
        url = context.outputs.invoke_url
        return await record(context.http, url, token, "", body=b"{}", leave_after_deltas=1, begin_within=BEGIN_SECONDS)

    async def _recovery(self, context: CheckContext, token: str, throttle: Throttle) -> float:
        started = time.monotonic()
        # A slow bucket takes 1/rate seconds for its first token; wait twice as long.
        patience = min(max(RECOVERY_SECONDS, 2 / max(throttle.rate, 0.01)), MAX_RECOVERY_SECONDS)
        while (waited := time.monotonic() - started) < patience:
            answer = await self._ask(context, token)
            if responder_of(answer) != "throttle":
                expect_responder(answer, "After the burst", "API", "agent", "runtime")
                return waited
            await asyncio.sleep(0.2)
        raise Fail(
            f"The throttle still refuses after {patience:g} s.",
            "Another caller may be emptying the bucket (the access log shows which), or a team's usage plan has a "
            "smaller one: api.invocationRate, api.teams.",
            why="All callers share the bucket, and clients that retry keep it empty.",
        )
