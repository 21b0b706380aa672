"""Check 12: the page may call the API, and may read what it answers."""

from __future__ import annotations

import asyncio

import httpx

from client.doctor.answer import understood
from client.doctor.check import AG, Check, CouldNotCheck, Finding, Patient, Seen
from client.doctor.deployment import DeploymentUnavailable
from client.doctor.probe import SHORT
from client.stream import SESSION_HEADER

ALLOW = "access-control-allow-origin"
NEEDED = ("authorization", "content-type", SESSION_HEADER.lower())


class Cors(Check):
    """A browser's preflight, the streamed answer and a refusal, all from the page's origin."""

    name = "cors"
    question = "a page may send the request (preflight), and read the streamed answer and the refusals"
    why = (
        "A proxy integration cannot add headers: the preflight is answered by the gateway, the streamed answer by the "
        "agent, refusals by gateway responses. A browser needs all three."
    )
    page = f"{AG}/how-to-cors.html"
    slow = False

    async def run(self, patient: Patient) -> Seen:
        """See `Check.run`."""
        origin = await self._origin(patient)
        if not origin:
            return Seen("no page calls this API", ["everything: the stack allows no origin; --origin names one"])
        await self._preflight(patient, origin)
        refused = await patient.ask(SHORT, token=None, headers={"Origin": origin}, leave_after_words=1)
        understood(refused, "With an Origin and no token", "authorizer", "API")
        self._must_allow(
            refused.headers, origin, f"the refusal ({refused.status})", "infra/gateway_responses.py: the CORS header."
        )
        token = (await patient.signed_in()).id
        answer = await patient.ask(SHORT, token=token, headers={"Origin": origin})
        understood(answer, "With an Origin", "agent")
        self._must_allow(
            answer.headers,
            origin,
            "the streamed answer",
            "agent: AGENT_ALLOWED_ORIGIN, from api.allowedOrigin; AgentCore never forwards Origin, so the header is "
            "static.",
        )
        return Seen(f"preflight, streamed answer and refusal allow {origin}")

    async def _origin(self, patient: Patient) -> str:
        if patient.origin or patient.outputs.website_url:
            return patient.origin or patient.outputs.website_url.rstrip("/")
        try:
            origin = await asyncio.to_thread(patient.deployment.preflight_origin)
        except DeploymentUnavailable as error:
            raise CouldNotCheck(f"{error} Name the page's origin with --origin.") from None
        return "https://page.example" if origin == "*" else origin

    async def _preflight(self, patient: Patient, origin: str) -> None:
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": ",".join(NEEDED),
        }
        answer = await patient.ask("", token=None, method="OPTIONS", headers=asked)
        change = "infra/preflight.py: an OPTIONS method without authorization; api.allowedOrigin names the page."
        if answer.status != 204:
            giver = understood(answer, "With a browser's preflight", "agent", "authorizer", "API", "API key")
            if giver != "agent":
                raise Finding(f"The preflight is refused with {answer.told()}: a browser sends it no token.", change)
        self._must_allow(answer.headers, origin, "the preflight", change)
        allowed = answer.headers.get("access-control-allow-headers", "").lower()
        lacking = [name for name in NEEDED if name not in allowed and "*" not in allowed]
        if lacking:
            raise Finding(f"The preflight does not allow the headers {', '.join(lacking)}.", change)

    def _must_allow(self, headers: httpx.Headers, origin: str, what: str, change: str) -> None:
        given = headers.get_list(ALLOW)
        if given in ([origin], ["*"]):
            return
        if len(given) > 1:
            raise Finding(f"{what} carries Access-Control-Allow-Origin {len(given)} times: browsers refuse it.", change)
        said = f"allows {given[0]}" if given else "has no Access-Control-Allow-Origin"
        raise Finding(f"{what[0].upper()}{what[1:]} {said}, and the page is {origin}.", change)
