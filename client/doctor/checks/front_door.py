"""Check 10: no way round the API, and no way into another user's session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from client.doctor.answer import understood
from client.doctor.check import CORE, Check, CouldNotCheck, Finding, Patient, Seen
from client.doctor.probe import SHORT
from client.doctor.strangers import Strangers
from client.recording import Recording
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
        await self._without_a_token(patient)
        tokens = await patient.signed_in()
        seen, missing = await self._round_the_api(patient, tokens), list[str]()
        async with _strangers(patient) as strangers:
            if strangers is None:
                missing.append("another client's token and another user's session: those are made in a local run only")
            else:
                seen.append(await self._other_client(patient, strangers))
                seen.append(await self._other_user(patient, tokens, strangers))
        return Seen("; ".join(seen), missing)

    async def _without_a_token(self, patient: Patient) -> None:
        bare = await patient.ask(SHORT, token=None, url=patient.outputs.runtime_url, leave_after_words=1)
        if _refused(bare, patient, "Asked directly without a token") or bare.code == "ORIGIN_FORBIDDEN":
            return
        raise Finding(
            "The runtime answers a direct call without any token.",
            "infra/runtime.py: authorizer_configuration with a custom_jwt_authorizer.",
        )

    async def _round_the_api(self, patient: Patient, tokens: Tokens) -> list[str]:
        """What a direct call with a valid token gets, against what the stack's setting promises."""
        direct = await patient.ask(SHORT, token=tokens.id, url=patient.outputs.runtime_url)
        if _refused(direct, patient, "Asked directly") or direct.code == "ORIGIN_FORBIDDEN":
            return [f"a direct call with a valid token: {direct.told()}"]
        setting = patient.outputs.bypass_protection
        if setting == "none":
            return ["a direct call is answered, as runtime.bypassProtection none allows"]
        if not setting:
            raise CouldNotCheck(
                "The runtime answers a direct call, and the outputs do not say whether it may (bypassProtection): "
                "run `pulumi up` and read them anew."
            )
        raise Finding(
            f"The runtime answers a direct call that did not come through the API, and runtime.bypassProtection is "
            f"{setting}.",
            "infra/origin.py: AGENT_ORIGIN_SECRET among the agent's variables; infra/runtime.py: the header on the "
            "runtime's allow-list; with `private`, the resource policy's Deny. Sessions keep the variables that they "
            "started with.",
        )

    async def _other_client(self, patient: Patient, strangers: Strangers) -> str:
        token = (await asyncio.to_thread(strangers.token_of_another_client)).id
        answer = await patient.ask(SHORT, token=token, leave_after_words=1)
        asked = "With the token of another app client"
        if understood(answer, asked, "authorizer", "runtime", "agent") != "authorizer":
            raise Finding(
                f"The API lets the token of another app client of the pool through ({answer.told()}).",
                "infra/api.py: identity_validation_expression with the client's id on the authorizer.",
            )
        direct = await patient.ask(SHORT, token=token, url=patient.outputs.runtime_url, leave_after_words=1)
        if not _refused(direct, patient, f"{asked}, directly"):
            raise Finding(
                f"The runtime lets the token of another app client of the pool through ({direct.told()}).",
                "infra/runtime.py: allowed_audiences with the client's id.",
            )
        return "another client's token: refused by both"

    async def _other_user(self, patient: Patient, tokens: Tokens, strangers: Strangers) -> str:
        mine = await patient.ask(SHORT, token=tokens.id)
        if mine.ending != "finished":
            understood(mine, "In a session of one's own", "agent")
            raise CouldNotCheck(f"A session of one's own: {mine.told()}.")
        stranger = (await asyncio.to_thread(strangers.another_user)).id
        answer = await patient.ask(SHORT, token=stranger, session_id=mine.session_id)
        understood(answer, "Another user in that session", "agent")
        if answer.code != "SESSION_FORBIDDEN":
            raise Finding(
                f"Another user is let into a session ({answer.told()}).",
                "agent/sessions.py binds a session to the first user; the runtime's header allow-list must hold "
                "Authorization (infra/runtime.py), and AGENT_REQUIRE_USER must not be off.",
            )
        return "another user's session: SESSION_FORBIDDEN"


def _refused(answer: Recording, patient: Patient, asked: str) -> bool:
    """Whether the runtime itself refuses a direct call, by its token or by its resource policy.

    Raises:
        Finding, CouldNotCheck: when the answer tells neither that nor that the call was let through.
    """
    if answer.status in (401, 403):
        return True
    if answer.status == 0 and patient.outputs.bypass_protection == "private":
        return True  # the private way needs no public address
    # A 424 is the agent's failure: the call was let through to it.
    if answer.status != 424:
        understood(answer, asked, "agent")
    return False


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
