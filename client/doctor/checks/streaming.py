"""Check 5: the answer is streamed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from client.delivery import Delivery, judge
from client.doctor.check import AG, CORE, Check, CheckContext, Fail, Inconclusive, Pass
from client.doctor.deployment import DeploymentUnavailable
from client.doctor.probe import PACED
from client.doctor.responder import expect_responder
from client.recording import Recording
from client.sanitize import quoted
from contract import ORIGIN_HEADER

TRIES = 2
"""A delayed answer is requested once more, because a busy machine may stall once, and a buffering layer always does."""

_NAMES = {"runtime": "the runtime", "integration": "the API, instead of its backend,"}


class Streaming(Check):
    """Compares the arrival times of an answer's events with their timestamps."""

    name = "streaming"
    question = "words arrive as they are made"
    page = f"{AG}/response-streaming-troubleshoot.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        for _ in range(TRIES):
            recording = await self._ask(context, context.outputs.invoke_url)
            must_be_answered(recording, "through the API")
            context.request_id = recording.request_id
            delivery = judge(recording)
            if delivery.verdict == "unknown":
                raise Inconclusive(f"The answer is too short to judge, or has no timestamps ({delivery.words} words).")
            if delivery.verdict == "streamed":
                return Pass(f"{delivery.describe()}; first word after {recording.first_delta or 0:.2f} s")
        raise await self._held_back(context, delivery)

    async def _ask(self, context: CheckContext, url: str, headers: Mapping[str, str] | None = None) -> Recording:
        return await context.ask(PACED, token=(await context.signed_in()).id, url=url, headers=headers)

    async def _held_back(self, context: CheckContext, delivery: Delivery) -> Fail:
        """Find the layer that buffers, by asking the runtime directly."""
        direct, reason = await self._ask_directly(context)
        if direct is None:
            return Fail(
                f"{delivery.describe()}. It is unknown which layer buffers: {reason}.",
                "Look at the integration's responseTransferMode first (infra/api.py), then for blocking calls in the "
                "agent (agent/agent.py), then for a proxy on your side.",
                why="Readers wait for the whole answer, as without streaming.",
            )
        if direct.verdict == "streamed":
            return Fail(
                f"{delivery.describe()}. Asked directly, the runtime streams: the API buffers.",
                "infra/api.py: response_transfer_mode STREAM, deployed; no response template, cache or compression.",
                why="The agent streams, and the gateway delays its words.",
            )
        return Fail(
            f"{delivery.describe()}. Asked directly, the runtime does the same ({direct.verdict}): the agent buffers.",
            "agent/agent.py: yield each piece as soon as it exists, and `await` everything that waits. time.sleep, "
            "requests and boto3 block the event loop; AGENT_DETECT_BLOCKING=true names the line.",
            why=f"While the event loop is blocked, no words, no heartbeats and no /ping responses are sent; see "
            f"{CORE}/runtime-http-protocol-contract.html.",
        )

    async def _ask_directly(self, context: CheckContext) -> tuple[Delivery | None, str]:
        try:
            stage = await asyncio.to_thread(context.deployment.stage)
        except DeploymentUnavailable as error:
            return None, str(error).rstrip(".")
        headers = {ORIGIN_HEADER: stage.origin_secret.get_secret_value()} if stage.origin_secret else {}
        for _ in range(TRIES):
            answer = await self._ask(context, context.outputs.runtime_url, headers)
            if answer.ending != "finished":
                return None, f"the runtime answers a direct call with {answer.summary()}"
            delivery = judge(answer)
            if delivery.verdict == "streamed":
                break
        return delivery, ""


def must_be_answered(recording: Recording, where: str) -> None:
    """Require a complete answer.

    Raises:
        Fail: when the answer failed; names the layer that refused or failed.
        Inconclusive: when the failure is not a fault of the stack.
    """
    if recording.ending == "finished":
        return
    responder = expect_responder(recording, f"Asked {where}", "agent", "runtime", "integration", "authorizer", "API")
    if responder != "agent" and recording.status != 429:
        who = _NAMES.get(responder, "the API")
        raise Fail(
            f"Asked {where}, {who} answers {recording.summary()}.",
            "infra/runtime.py for the runtime's refusals (address, token, header allow-list), its log for 424; "
            "infra/api.py for the API's, its access log for 5xx.",
            why="No user gets an answer.",
        )
    if responder != "agent":
        raise Inconclusive(f"Asked {where}: {recording.summary()}; AgentCore throttles requests.")
    if recording.ending == "error":
        raise Fail(
            f"Asked {where}, the agent answers {recording.summary()}: {quoted(recording.message)}",
            "docs/agent.md lists the codes; the runtime's log has the reference.",
            why="All layers in front of the agent work; the agent itself fails.",
        )
    raise Fail(
        f"Asked {where}, the answer is cut after {recording.lasted:.1f} s.",
        "Compare with api.timeoutSeconds and the idle limit; then the runtime's log.",
        why="Long answers are cut, with status 200.",
    )
