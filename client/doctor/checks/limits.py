"""Checks 6 and 9: silence and haste."""

from __future__ import annotations

import asyncio
import time

from client.doctor.check import AG, Check, CouldNotCheck, Finding, Patient, Seen
from client.doctor.probe import SHORT, silent
from client.recording import Recording, record

MOST_REQUESTS = 150
"""A burst larger than this is not sent: a check must not be an attack."""

RECOVERY_SECONDS = 15.0


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
        answer = await record(patient.http, outputs.invoke_url, (await patient.signed_in()).id, silent(silence))
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
        statuses = [answer.status for answer in answers]
        refused = [answer for answer in answers if answer.status == 429]
        if refused and not any(map(_by_throttle, refused)):
            raise CouldNotCheck("The web ACL's rate rule answers 429 before the throttle can: wait five minutes.")
        if not refused:
            raise Finding(
                f"{count} requests at once, and none was refused (answers: {sorted(set(statuses))}); the stage "
                f"declares {throttle.burst} at once.",
                "infra/api.py, MethodSettings: method_path must name the method (invocations/POST). API Gateway "
                "throttles by best effort, so run this check again before you look further.",
            )
        waited = await self._recovery(patient, token)
        return Seen(f"{len(refused)} of {count} at once got 429; taken again after {waited:.1f} s")

    async def _ask(self, patient: Patient, token: str) -> Recording:
        # A body that the API's model refuses: throttled like any other, and no microVM is woken for it.
        return await record(patient.http, patient.outputs.invoke_url, token, "", body=b"{}", leave_after_words=1)

    async def _recovery(self, patient: Patient, token: str) -> float:
        started = time.monotonic()
        while (waited := time.monotonic() - started) < RECOVERY_SECONDS:
            answer = await record(patient.http, patient.outputs.invoke_url, token, SHORT)
            if answer.status != 429:
                return waited
            await asyncio.sleep(0.2)
        raise Finding(
            f"The API still answers 429 after {RECOVERY_SECONDS:g} s.",
            "The web ACL's rate rule, or a usage plan's quota, may be what refuses now: firewall.requestsPerAddress, "
            "api.teams.",
        )


def _by_throttle(answer: Recording) -> bool:
    """Whether the stage refused; the web ACL's rate rule answers 429 as well, without API Gateway's header."""
    return "TooManyRequests" in answer.headers.get("x-amzn-errortype", "") or b"THROTTLED" in answer.body
