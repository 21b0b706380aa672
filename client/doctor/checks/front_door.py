"""Check 10: no way round the API, and no way into another user's session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from client.doctor.check import CORE, Check, CouldNotCheck, Finding, Patient, Seen
from client.doctor.deployment import ORIGIN_HEADER, DeploymentUnavailable
from client.doctor.probe import SHORT
from client.doctor.strangers import Strangers
from client.recording import record
from client.signin import Tokens


class FrontDoor(Check):
    """The runtime's public address, called with everything but the right to."""

    name = "front-door"
    question = "the runtime refuses a call round the API, another client's token, and another user's session"
    why = (
        "The runtime's address is public and takes the same token: a call round the API meets no firewall and no "
        "throttle. And AgentCore does not bind a session to a user."
    )
    page = f"{CORE}/runtime-security-best-practices.html"
    slow = False

    async def run(self, patient: Patient) -> Seen:
        """See `Check.run`."""
        tokens = await patient.signed_in()
        seen, missing = await self._round_the_api(patient, tokens)
        async with _strangers(patient) as strangers:
            if strangers is None:
                missing.append("another client's token and another user's session: those are made in a local run only")
            else:
                seen.append(await self._other_client(patient, strangers))
                seen.append(await self._other_user(patient, tokens, strangers))
        return Seen("; ".join(seen), missing)

    async def _round_the_api(self, patient: Patient, tokens: Tokens) -> tuple[list[str], list[str]]:
        try:
            stage = await asyncio.to_thread(patient.deployment.stage)
        except DeploymentUnavailable as error:
            stage, reason = None, str(error)
        url = patient.outputs.runtime_url
        bare = await record(patient.http, url, None, SHORT, leave_after_words=1)
        if bare.status == 200:
            raise Finding(
                "The runtime answers a direct call without any token.",
                "infra/runtime.py: authorizer_configuration with a custom_jwt_authorizer.",
            )
        direct = await record(patient.http, url, tokens.id, SHORT)
        if direct.status == 0 and stage is not None and stage.private:
            return ["the runtime takes no direct connection"], []
        if direct.status == 0:
            raise CouldNotCheck(f"{url}: {direct.told()}.")
        if direct.status != 200 or direct.code == "ORIGIN_FORBIDDEN":
            return [f"a direct call with a valid token: {direct.told()}"], []
        if stage is None:
            return [], [f"a direct call is answered, and whether it may be cannot be told: {reason}"]
        if stage.origin_secret is None and not stage.private:
            return ["a direct call is answered, as frontDoor none allows"], []
        protection = f"the API adds {ORIGIN_HEADER}" if stage.origin_secret else "the API uses a private link"
        raise Finding(
            f"The runtime answers a direct call that did not come through the API, although {protection}.",
            "infra/runtime.py: AGENT_ORIGIN_SECRET among the agent's variables and the header on the runtime's "
            "allow-list; with a private edge, the resource policy's Deny. Sessions keep the variables that they "
            "started with.",
        )

    async def _other_client(self, patient: Patient, strangers: Strangers) -> str:
        token = (await asyncio.to_thread(strangers.token_of_another_client)).id
        for what, url in (("the API", patient.outputs.invoke_url), ("the runtime", patient.outputs.runtime_url)):
            answer = await record(patient.http, url, token, SHORT, leave_after_words=1)
            if answer.status != 401 or (what == "the API" and answer.by_runtime):
                raise Finding(
                    f"{what[0].upper()}{what[1:]} lets the token of another app client of the pool through "
                    f"({answer.told()}).",
                    "infra/api.py: identity_validation_expression with the client's id on the authorizer."
                    if what == "the API"
                    else "infra/runtime.py: allowed_audiences with the client's id.",
                )
        return "another client's token: 401 by both"

    async def _other_user(self, patient: Patient, tokens: Tokens, strangers: Strangers) -> str:
        url = patient.outputs.invoke_url
        mine = await record(patient.http, url, tokens.id, SHORT)
        if mine.ending != "finished":
            raise CouldNotCheck(f"A session of one's own: {mine.told()}.")
        stranger = (await asyncio.to_thread(strangers.another_user)).id
        answer = await record(patient.http, url, stranger, SHORT, session_id=mine.session_id)
        if answer.code != "SESSION_FORBIDDEN":
            raise Finding(
                f"Another user is let into a session ({answer.told()}).",
                "agent/sessions.py binds a session to the first user; the runtime's header allow-list must hold "
                "Authorization (infra/runtime.py), and AGENT_REQUIRE_USER must not be off.",
            )
        return "another user's session: SESSION_FORBIDDEN"


@asynccontextmanager
async def _strangers(patient: Patient) -> AsyncIterator[Strangers | None]:
    """People who may not: made for the check and gone after it. Never in a real user pool."""
    if not patient.outputs.is_local:
        yield None
        return
    strangers = Strangers(patient.outputs)
    try:
        yield strangers
    finally:
        await asyncio.to_thread(strangers.remove)
