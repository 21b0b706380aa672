"""Check 10: no way round the API, and no way into another user's session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from client.doctor.check import CORE, Check, CheckContext, Fail, Inconclusive, Pass
from client.doctor.disposable_users import DisposableUsers
from client.doctor.probe import SHORT
from client.doctor.responder import understood
from client.recording import Recording
from client.signin import Tokens
from contract import SESSION_HEADER


class FrontDoor(Check):
    """The runtime's public address, called with everything but the right to."""

    name = "front-door"
    question = "the runtime refuses a call round the API, another client's token, and another user's session"
    page = f"{CORE}/runtime-security-best-practices.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        await self._without_a_token(context)
        tokens = await context.signed_in()
        seen, missing = await self._round_the_api(context, tokens), list[str]()
        async with _disposable_users(context) as users:
            if users is None:
                missing.append("another client's token and another user's session: those are made in a local run only")
            else:
                seen.append(await self._other_client(context, users))
                seen.append(await self._other_user(context, tokens, users))
        return Pass("; ".join(seen), missing)

    async def _without_a_token(self, context: CheckContext) -> None:
        bare = await context.ask(SHORT, token=None, url=context.outputs.runtime_url, leave_after_deltas=1)
        if _refused(bare, context, "Asked directly without a token") or bare.code == "ORIGIN_FORBIDDEN":
            return
        raise Fail(
            "The runtime answers a direct call without any token.",
            "infra/runtime.py: authorizer_configuration with a custom_jwt_authorizer.",
            why="The address is public: anybody can ask at your expense.",
        )

    async def _round_the_api(self, context: CheckContext, tokens: Tokens) -> list[str]:
        """What a direct call with a valid token gets, against what the stack's setting promises."""
        direct = await context.ask(SHORT, token=tokens.id, url=context.outputs.runtime_url)
        if _refused(direct, context, "Asked directly") or direct.code == "ORIGIN_FORBIDDEN":
            return [f"a direct call with a valid token: {direct.told()}"]
        setting = context.outputs.bypass_protection
        if setting == "none":
            return ["a direct call is answered, as runtime.bypassProtection none allows"]
        if not setting:
            raise Inconclusive(
                "The runtime answers a direct call, and the outputs do not say whether it may (bypassProtection): "
                "run `pulumi up` and read them again."
            )
        raise Fail(
            f"The runtime answers a direct call that did not come through the API, and runtime.bypassProtection is "
            f"{setting}.",
            "infra/origin.py: AGENT_ORIGIN_SECRET among the agent's variables; infra/runtime.py: the header on the "
            "runtime's allow-list; with `private`, the resource policy's Deny. Sessions keep the variables that they "
            "started with.",
            why="A call round the API meets no web ACL, no throttle and no access log.",
        )

    async def _other_client(self, context: CheckContext, users: DisposableUsers) -> str:
        token = (await asyncio.to_thread(users.token_of_another_client)).id
        answer = await context.ask(SHORT, token=token, leave_after_deltas=1)
        asked = "With the token of another app client"
        if understood(answer, asked, "authorizer", "runtime", "agent") != "authorizer":
            raise Fail(
                f"The API lets the token of another app client of the pool through ({answer.told()}).",
                "infra/api.py: identity_validation_expression with the client's id on the authorizer.",
                why="Every application of the pool then reaches this agent with its own users' tokens.",
            )
        direct = await context.ask(SHORT, token=token, url=context.outputs.runtime_url, leave_after_deltas=1)
        if not _refused(direct, context, f"{asked}, directly"):
            raise Fail(
                f"The runtime lets the token of another app client of the pool through ({direct.told()}).",
                "infra/runtime.py: allowed_audiences with the client's id.",
                why="The second check of the token is the one that holds when the API's is misconfigured, and it is "
                "missing.",
            )
        return "another client's token: refused by both"

    async def _other_user(self, context: CheckContext, tokens: Tokens, users: DisposableUsers) -> str:
        mine = await context.ask(SHORT, token=tokens.id)
        if mine.ending != "finished":
            understood(mine, "In a session of one's own", "agent")
            raise Inconclusive(f"A session of one's own: {mine.told()}.")
        stranger = (await asyncio.to_thread(users.another_user)).id
        answer = await context.ask(SHORT, token=stranger, session_id=mine.session_id)
        understood(answer, "Another user in that session", "agent")
        answered_in = answer.headers.get(SESSION_HEADER)
        if answered_in and answered_in != mine.session_id:
            return "another user's session: the gateway names sessions, and a caller's own name counts for nothing"
        if answer.code != "SESSION_FORBIDDEN":
            raise Fail(
                f"Another user is let into a session ({answer.told()}).",
                "agent/sessions.py binds a session to the first user; the runtime's header allow-list must hold "
                "Authorization (infra/runtime.py), and AGENT_REQUIRE_USER must not be off.",
                why="That user reads and continues a conversation which is not theirs: AgentCore itself does not "
                "bind a session to a user.",
            )
        return "another user's session: SESSION_FORBIDDEN"


def _refused(answer: Recording, context: CheckContext, asked: str) -> bool:
    """Whether the runtime itself refuses a direct call, by its token or by its resource policy.

    Raises:
        Fail, Inconclusive: when the answer tells neither that nor that the call was let through.
    """
    if answer.status in (401, 403):
        return True
    if answer.status == 0 and context.outputs.bypass_protection == "private":
        return True  # the private way needs no public address
    # A 424 is the agent's failure: the call was let through to it.
    if answer.status != 424:
        understood(answer, asked, "agent")
    return False


@asynccontextmanager
async def _disposable_users(context: CheckContext) -> AsyncIterator[DisposableUsers | None]:
    """People who may not: made for the check and gone after it. Never in a real user pool."""
    if not context.outputs.is_local:
        yield None
        return
    users = DisposableUsers(context.outputs)
    try:
        yield users
    finally:
        await asyncio.to_thread(users.remove)
