"""Check 12: the page may call the API, and may read what it answers."""

from __future__ import annotations

import asyncio

import httpx

from client.doctor.check import AG, Check, CheckContext, Fail, Inconclusive, Pass
from client.doctor.deployment import DeploymentUnavailable
from client.doctor.probe import SHORT
from client.doctor.responder import understood
from contract import SESSION_HEADER

ALLOW = "access-control-allow-origin"
NEEDED = ("authorization", "content-type", SESSION_HEADER.lower())


class Cors(Check):
    """A browser's preflight, the streamed answer and a refusal, all from the page's origin."""

    name = "cors"
    question = "a page may send the request (preflight), and read the streamed answer and the refusals"
    page = f"{AG}/how-to-cors.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        origin = await self._origin(context)
        if not origin:
            # The stack's own page is served on the API's origin, and a browser sends no preflight there.
            own = context.outputs.website_url
            who = (
                f"only the stack's own page calls this API, from the same origin ({own})"
                if own
                else "no page calls this API"
            )
            return Pass(who, ["pages elsewhere: the stack allows no origin; --origin names one"])
        await self._preflight(context, origin)
        refused = await context.ask(SHORT, token=None, headers={"Origin": origin}, leave_after_deltas=1)
        understood(refused, "With an Origin and no token", "authorizer", "API")
        self._must_allow(
            refused.headers, origin, f"the refusal ({refused.status})", "infra/gateway_responses.py: the CORS header."
        )
        token = (await context.signed_in()).id
        answer = await context.ask(SHORT, token=token, headers={"Origin": origin})
        understood(answer, "With an Origin", "agent")
        self._must_allow(
            answer.headers,
            origin,
            "the streamed answer",
            "agent: AGENT_ALLOWED_ORIGIN, from api.allowedOrigin; AgentCore never forwards Origin, so the header is "
            "static. Where AgentCore adds one itself the agent must not: api.agentSendsCors.",
        )
        return Pass(f"preflight, streamed answer and refusal allow {origin}")

    async def _origin(self, context: CheckContext) -> str:
        if context.origin:
            return context.origin
        try:
            origin = await asyncio.to_thread(context.deployment.preflight_origin)
        except DeploymentUnavailable as error:
            raise Inconclusive(f"{error} Name the page's origin with --origin.") from None
        return "https://page.example" if origin == "*" else origin

    async def _preflight(self, context: CheckContext, origin: str) -> None:
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": ",".join(NEEDED),
        }
        answer = await context.ask("", token=None, method="OPTIONS", headers=asked)
        change = "infra/preflight.py: an OPTIONS method without authorization; api.allowedOrigin names the page."
        if answer.status != 204:
            responder = understood(answer, "With a browser's preflight", "agent", "authorizer", "API", "API key")
            if responder != "agent":
                raise Fail(
                    f"The preflight is refused with {answer.told()}: a browser sends it no token.",
                    change,
                    why="A browser sends the preflight before the question; where that is refused, the question is "
                    "never sent.",
                )
        self._must_allow(answer.headers, origin, "the preflight", change)
        allowed = answer.headers.get("access-control-allow-headers", "").lower()
        lacking = [name for name in NEEDED if name not in allowed and "*" not in allowed]
        if lacking:
            raise Fail(
                f"The preflight does not allow the headers {', '.join(lacking)}.",
                change,
                why="The browser drops a question whose headers the preflight does not allow.",
            )

    def _must_allow(self, headers: httpx.Headers, origin: str, what: str, change: str) -> None:
        given = headers.get_list(ALLOW)
        if given in ([origin], ["*"]):
            return
        if len(given) > 1:
            raise Fail(
                f"{what} carries Access-Control-Allow-Origin {len(given)} times: browsers refuse it.",
                change,
                why="A browser refuses an answer with two values as if it had none.",
            )
        said = f"allows {given[0]}" if given else "has no Access-Control-Allow-Origin"
        raise Fail(
            f"{what[0].upper()}{what[1:]} {said}, and the page is {origin}.",
            change,
            why="The page cannot read this answer: fetch() fails with a network error and shows neither status nor "
            "words.",
        )
