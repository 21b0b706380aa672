"""Check 12: nobody can bypass the API or enter another user's session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from client.doctor.check import CORE, Check, CheckContext, Fail, Inconclusive, Pass
from client.doctor.disposable_users import DisposableUsers
from client.doctor.probe import SHORT
from client.doctor.responder import expect_responder
from client.recording import Recording
from client.signin import Tokens
from contract import SESSION_HEADER


class FrontDoor(Check):
    """Calls the runtime's public address directly, with another client's token, and in another user's session."""

    name = "front-door"
    question = "the runtime refuses a call that bypasses the API, another client's token, and another user's session"
    page = f"{CORE}/runtime-security-best-practices.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        await self._without_a_token(context)
        tokens = await context.signed_in()
        seen, missing = await self._bypass_api(context, tokens), list[str]()
        async with _disposable_users(context) as users:
            if users is None:
                missing.append("another client's token and another user's session: tested in a local run only")
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
            why="The address is public: anyone can ask questions at your expense.",
        )

    async def _bypass_api(self, context: CheckContext, tokens: Tokens) -> list[str]:
        """Compare the response to a direct call with a valid token with the stack's `bypassProtection`."""
        direct = await context.ask(SHORT, token=tokens.id, url=context.outputs.runtime_url)
        if _refused(direct, context, "Asked directly") or direct.code == "ORIGIN_FORBIDDEN":
            return [f"a direct call with a valid token: {direct.summary()}"]
        setting = context.outputs.bypass_protection
        if setting == "none":
            return ["a direct call is answered, as runtime.bypassProtection: none allows"]
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
            why="A call that bypasses the API passes no web ACL, no throttle and no access log.",
        )

    async def _other_client(self, context: CheckContext, users: DisposableUsers) -> str:
        token = (await asyncio.to_thread(users.token_of_another_client)).id
        answer = await context.ask(SHORT, token=token, leave_after_deltas=1)
        asked = "With the token of another app client"
        if expect_responder(answer, asked, "authorizer", "runtime", "agent") != "authorizer":
            raise Fail(
                f"The API accepts the token of another app client of the pool ({answer.summary()}).",
                "infra/api.py: identity_validation_expression with the client's id on the authorizer.",
                why="Every application of the pool can call this agent with its own users' tokens.",
            )
        direct = await context.ask(SHORT, token=token, url=context.outputs.runtime_url, leave_after_deltas=1)
        if not _refused(direct, context, f"{asked}, directly"):
            raise Fail(
                f"The runtime accepts the token of another app client of the pool ({direct.summary()}).",
                "infra/runtime.py: allowed_audiences with the client's id.",
                why="The runtime's check of the token, which protects the agent when the API's is misconfigured, is "
                "missing.",
            )
        return "another client's token: refused by both"

    async def _other_user(self, context: CheckContext, tokens: Tokens, users: DisposableUsers) -> str:
        mine = await context.ask(SHORT, token=tokens.id)
        if mine.ending != "finished":
            expect_responder(mine, "In the user's own session", "agent")
            raise Inconclusive(f"In the user's own session: {mine.summary()}.")
        other_token = (await asyncio.to_thread(users.another_user)).id
        answer = await context.ask(SHORT, token=other_token, session_id=mine.session_id)
        expect_responder(answer, "Another user in that session", "agent")
        answered_in = answer.headers.get(SESSION_HEADER)
        if answered_in and answered_in != mine.session_id:
            return "another user's session: the gateway sets the session and ignores the caller's"
        if answer.code != "SESSION_FORBIDDEN":
            raise Fail(
                f"Another user can ask in a user's session ({answer.summary()}).",
                "agent/sessions.py binds a session to the first user; the runtime's header allow-list must contain "
                "Authorization (infra/runtime.py), and AGENT_REQUIRE_USER must not be off.",
                why="Another user can read and continue the conversation: AgentCore itself does not bind a session to "
                "a user.",
            )
        return "another user's session: SESSION_FORBIDDEN"


def _refused(answer: Recording, context: CheckContext, asked: str) -> bool:
    """Whether the runtime refuses a direct call, because of its token or by its resource policy.

    Raises:
        Fail, Inconclusive: when the response shows neither a refusal nor that the call reached the agent.
    """
    if answer.status in (401, 403):
        return True
    if answer.status == 0 and context.outputs.bypass_protection == "private":
        return True  # with `private` the public address need not respond
    # A 424 is the agent's failure, so the call reached it.
    if answer.status != 424:
        expect_responder(answer, asked, "agent")
    return False


@asynccontextmanager
async def _disposable_users(context: CheckContext) -> AsyncIterator[DisposableUsers | None]:
    """Yield test users, which are deleted afterwards; None outside of a local run."""
    if not context.outputs.is_local:
        yield None
        return
    users = DisposableUsers(context.outputs)
    try:
        yield users
    finally:
        await asyncio.to_thread(users.remove)
