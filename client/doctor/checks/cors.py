"""Check 14: CORS: the page may call the API and read its responses."""

from __future__ import annotations

import asyncio

import httpx

from client.doctor.check import AG, Check, CheckContext, Fail, Inconclusive, Pass
from client.doctor.deployment import DeploymentUnavailable
from client.doctor.probe import SHORT
from client.doctor.responder import expect_responder
from contract import SESSION_HEADER

ALLOW = "access-control-allow-origin"
NEEDED = ("authorization", "content-type", SESSION_HEADER.lower())


class Cors(Check):
    """Sends a preflight, a question and a refused request with the page's origin."""

    name = "cors"
    question = "a page may send the request (preflight), and read the streamed answer and the refusals"
    page = f"{AG}/how-to-cors.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        origin = await self._origin(context)
        if not origin:
            # The stack's own page has the API's origin, so a browser sends no preflight.
            own = context.outputs.website_url
            who = (
                f"only the stack's own page calls this API, from the same origin ({own})"
                if own
                else "no page calls this API"
            )
            return Pass(who, ["pages on other origins: the stack allows none; pass one with --origin"])
        await self._preflight(context, origin)
        refused = await context.ask(SHORT, token=None, headers={"Origin": origin}, leave_after_deltas=1)
        expect_responder(refused, "With an Origin and no token", "authorizer", "API")
        self._must_allow(
            refused.headers, origin, f"the refusal ({refused.status})", "infra/gateway_responses.py: the CORS header."
        )
        token = (await context.signed_in()).id
        answer = await context.ask(SHORT, token=token, headers={"Origin": origin})
        expect_responder(answer, "With an Origin", "agent")
        self._must_allow(
            answer.headers,
            origin,
            "the streamed answer",
            "agent: AGENT_ALLOWED_ORIGIN, from api.allowedOrigin; AgentCore never forwards Origin, so the header is "
            "static. If AgentCore adds one itself, the agent must not: api.agentSendsCors.",
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
            responder = expect_responder(answer, "With a browser's preflight", "agent", "authorizer", "API", "API key")
            if responder != "agent":
                raise Fail(
                    f"The preflight, which has no token, is refused with {answer.summary()}.",
                    change,
                    why="A browser sends the preflight before the question; if it is refused, the question is never "
                    "sent.",
                )
        self._must_allow(answer.headers, origin, "the preflight", change)
        allowed = answer.headers.get("access-control-allow-headers", "").lower()
        lacking = [name for name in NEEDED if name not in allowed and "*" not in allowed]
        if lacking:
            raise Fail(
                f"The preflight does not allow the headers {', '.join(lacking)}.",
                change,
                why="The browser does not send a question whose headers the preflight does not allow.",
            )

    def _must_allow(self, headers: httpx.Headers, origin: str, what: str, change: str) -> None:
        given = headers.get_list(ALLOW)
        if given in ([origin], ["*"]):
            return
        if len(given) > 1:
            raise Fail(
                f"{what} has Access-Control-Allow-Origin {len(given)} times.",
                change,
                why="A browser treats a response with two values as one without the header.",
            )
        said = f"allows {given[0]}" if given else "has no Access-Control-Allow-Origin"
        raise Fail(
            f"{what[0].upper()}{what[1:]} {said}, and the page is {origin}.",
            change,
            why="The page cannot read this response: fetch() fails with a network error, without status or body.",
        )
