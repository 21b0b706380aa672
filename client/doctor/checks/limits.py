"""Checks 6 and 9: silence and haste."""

from __future__ import annotations

import asyncio
import time

from client.doctor.answer import giver_of, understood
from client.doctor.check import AG, BEGIN_SECONDS, Check, CouldNotCheck, Finding, Patient, Seen, throttled
from client.doctor.deployment import Throttle
from client.doctor.probe import silent
from client.recording import Recording, record

MOST_REQUESTS = 150
"""A burst larger than this is not sent: a check must not be an attack."""

RECOVERY_SECONDS = 15.0
MOST_PATIENCE = 60.0


class Heartbeat(Check):
    """A run that is silent for longer than the idle limit reaches its end."""

    name = "heartbeat"
    question = "heartbeats keep a silent run alive past the idle limit"
    why = "The gateway cuts a stream that is silent for 5 minutes (30 s at the edge); a tool call can be."
    page = f"{AG}/response-transfer-mode.html"
    slow = True

    async def run(self, patient: Patient) -> Seen:
        """See `Check.run`."""
        outputs = patient.outputs
        limit = outputs.idle_timeout_seconds / outputs.time_scale
        silence = limit * 1.1 + 0.5
        answer = await patient.ask(silent(silence), token=(await patient.signed_in()).id)
        understood(answer, "With a run that is silent", "agent")
        beats = [mark.seconds for mark in answer.marks if mark.kind == "comment"]
        if answer.ending == "cut":
            raise Finding(
                f"The stream was cut after {answer.lasted:.1f} s, {len(beats)} heartbeats; the idle limit is "
                f"{limit:g} s.",
                "Pulumi.<stack>.yaml: api.heartbeatSeconds at half the idle limit or less; the agent sends a comment "
                "line at that interval (agent/stream.py).",
            )
        if answer.ending != "finished":
            raise CouldNotCheck(f"The silent run got {answer.told()}.")
        if answer.lasted < silence:
            raise CouldNotCheck("The model did not pause; only the scripted one does when asked.")
        return Seen(f"silent for {silence:.1f} s past a limit of {limit:g} s; {len(beats)} heartbeats, then the end")


class ThrottleAnswers(Check):
    """More requests than the bucket holds get 429, and a moment later requests are taken again."""

    name = "throttle"
    question = "a burst beyond the throttle is answered with 429, and the API recovers"
    why = "The throttle is what stands between a loop in somebody's script and the bill for the model."
    page = f"{AG}/api-gateway-request-throttling.html"
    slow = False

    async def run(self, patient: Patient) -> Seen:
        """See `Check.run`."""
        throttle = await asyncio.to_thread(patient.deployment.throttle)
        if throttle is None:
            raise Finding(
                "The stage declares no throttle.",
                "Pulumi.<stack>.yaml: api.invocationRate and api.invocationBurst; infra/api.py declares them.",
            )
        # Twice what the bucket holds, so that what flows back into it meanwhile does not matter.
        count = throttle.burst * 2 + int(throttle.rate)
        if count > MOST_REQUESTS:
            return Seen(
                f"declared: {throttle.rate:g} a second, {throttle.burst} at once",
                [f"the 429 itself: it would take {count} requests, and the doctor sends {MOST_REQUESTS} at most"],
            )
        token = (await patient.signed_in()).id
        answers = await asyncio.gather(*(self._ask(patient, token) for _ in range(count)))
        refused = [answer for answer in answers if throttled(answer)]
        if not refused:
            for answer in answers:
                understood(answer, f"With {count} requests at once", "API", "agent", "runtime")
            statuses = sorted({answer.status for answer in answers})
            raise Finding(
                f"{count} requests at once, and none was refused (answers: {statuses}); the stage declares "
                f"{throttle.burst} at once.",
                "infra/api.py, MethodSettings: method_path must name the method (invocations/POST). API Gateway "
                "throttles by best effort, so run this check again before you look further.",
            )
        waited = await self._recovery(patient, token, throttle)
        return Seen(f"{len(refused)} of {count} at once got 429; taken again after {waited:.1f} s")

    async def _ask(self, patient: Patient, token: str) -> Recording:
        # A body that the API's model refuses: throttled like any other, and no microVM is woken for it.
        url = patient.outputs.invoke_url
        return await record(patient.http, url, token, "", body=b"{}", leave_after_words=1, begin_within=BEGIN_SECONDS)

    async def _recovery(self, patient: Patient, token: str, throttle: Throttle) -> float:
        started = time.monotonic()
        # A bucket with a slow trickle takes longer for its first token; twice that is time enough.
        patience = min(max(RECOVERY_SECONDS, 2 / max(throttle.rate, 0.01)), MOST_PATIENCE)
        while (waited := time.monotonic() - started) < patience:
            answer = await self._ask(patient, token)
            if giver_of(answer) != "throttle":
                understood(answer, "After the burst", "API", "agent", "runtime")
                return waited
            await asyncio.sleep(0.2)
        raise Finding(
            f"The throttle still refuses after {patience:g} s.",
            "Somebody else may be emptying the bucket (the access log says who), or a team's own plan has a smaller "
            "one: api.invocationRate, api.teams.",
        )
