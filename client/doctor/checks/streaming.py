"""Check 5: words arrive as they are made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from client.delivery import Delivery, judge
from client.doctor.check import AG, CORE, Check, CheckContext, Fail, Inconclusive, Pass
from client.doctor.deployment import DeploymentUnavailable
from client.doctor.probe import PACED
from client.doctor.responder import understood
from client.recording import Recording
from client.sanitize import quoted
from contract import ORIGIN_HEADER

TRIES = 2
"""An answer that was held back is asked for once more: a busy machine stalls for a moment, a layer does every time."""

_NAMES = {"runtime": "the runtime", "integration": "the API, in place of what is behind it,"}


class Streaming(Check):
    """The arrivals of a timed answer, compared with the times at which its words were made."""

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
                raise Inconclusive(f"The answer is too short to judge, or carries no times ({delivery.words} words).")
            if delivery.verdict == "streamed":
                return Pass(f"{delivery.describe()}; first word after {recording.first_delta or 0:.2f} s")
        raise await self._held_back(context, delivery)

    async def _ask(self, context: CheckContext, url: str, headers: Mapping[str, str] | None = None) -> Recording:
        return await context.ask(PACED, token=(await context.signed_in()).id, url=url, headers=headers)

    async def _held_back(self, context: CheckContext, delivery: Delivery) -> Fail:
        """Which layer buffers: ask the runtime directly and compare."""
        direct, reason = await self._ask_directly(context)
        if direct is None:
            return Fail(
                f"{delivery.describe()}. Which layer holds them back cannot be told: {reason}.",
                "Look at the integration's responseTransferMode first (infra/api.py), then for blocking calls in the "
                "agent (agent/agent.py), then for a proxy on your side.",
                why="A reader who waits for the last word might as well not have streamed.",
            )
        if direct.verdict == "streamed":
            return Fail(
                f"{delivery.describe()}. Asked directly, the runtime streams: the API holds the words back.",
                "infra/api.py: response_transfer_mode STREAM, deployed; no response template, cache or compression.",
                why="The agent does its part, and every reader waits at the gateway for words that are there.",
            )
        return Fail(
            f"{delivery.describe()}. Asked directly, the runtime does the same ({direct.verdict}): the agent holds "
            f"them "
            "back.",
            "agent/agent.py: yield each piece as it comes, and put `await` before everything that waits. time.sleep, "
            "requests and boto3 block the event loop; AGENT_DETECT_BLOCKING=true names the line.",
            why=f"While the event loop is blocked no byte leaves, no heartbeat, and /ping goes unanswered; see "
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
                return None, f"the runtime answers a direct call with {answer.told()}"
            delivery = judge(answer)
            if delivery.verdict == "streamed":
                break
        return delivery, ""


def must_be_answered(recording: Recording, where: str) -> None:
    """Anything but an answer that was streamed to its end is a finding by itself.

    Raises:
        Fail: naming who refused or failed, as far as the answer tells.
        Inconclusive: when it says nothing about the stack.
    """
    if recording.ending == "finished":
        return
    responder = understood(recording, f"Asked {where}", "agent", "runtime", "integration", "authorizer", "API")
    if responder != "agent" and recording.status != 429:
        who = _NAMES.get(responder, "the API")
        raise Fail(
            f"Asked {where}, {who} answers {recording.told()}.",
            "infra/runtime.py for the runtime's refusals (address, token, header allow-list), its log for 424; "
            "infra/api.py for the API's, its access log for 5xx.",
            why="Nobody gets an answer.",
        )
    if responder != "agent":
        raise Inconclusive(f"Asked {where}: {recording.told()}; AgentCore takes no more for now.")
    if recording.ending == "error":
        raise Fail(
            f"Asked {where}, the agent answers {recording.told()}: {quoted(recording.message)}",
            "docs/agent.md lists the codes; the runtime's log has the reference.",
            why="The chain in front of the agent works; the agent itself fails.",
        )
    raise Fail(
        f"Asked {where}, the answer is cut after {recording.lasted:.1f} s.",
        "Compare with api.timeoutSeconds and the idle limit; then the runtime's log.",
        why="Long answers end in the middle, with status 200.",
    )
