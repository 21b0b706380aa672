"""Checks 2 and 3: the token, and who is let in with it."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime

import httpx
import jwt

from client.account import claims_of
from client.doctor.check import AG, CORE, Check, CheckContext, Fail, Inconclusive, Pass
from client.doctor.probe import SHORT
from client.doctor.responder import understood
from client.errors import UserPoolError

SKEW_SECONDS = 60
"""A clock that is further off makes tokens seem expired, or not yet in force."""


class SignIn(Check):
    """The user pool signs the user in with an ID token of this pool and client."""

    name = "sign-in"
    question = "a user can sign in, and gets an ID token of this pool and client, signed with the pool's key"
    page = "https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        try:
            token = (await context.signed_in()).id
        except UserPoolError as error:
            raise Fail(
                str(error),
                "Check userPoolId, userPoolClientId and region among the outputs: run `pulumi up` and read them again.",
                why="Nobody can sign in, and both authorizers take nothing but what this user pool signs.",
                fatal=False,  # what needs no token can still be looked at
            ) from None
        outputs, claims = context.outputs, claims_of(token)
        wanted = {"iss": outputs.issuer, "aud": outputs.user_pool_client_id, "token_use": "id"}
        wrong = {name: claims.get(name) for name, value in wanted.items() if claims.get(name) != value}
        if wrong:
            raise Fail(
                f"The token's {', '.join(f'{name} is {value}' for name, value in wrong.items())}.",
                "Sign in to this stack: check issuer and userPoolClientId among the outputs.",
                why="Both authorizers compare these claims, so a token of another pool or client gets 401 from both.",
            )
        await self._check_signature(context, token)
        left, skew = float(claims["exp"]) - time.time(), await self._skew(context)
        if skew is not None and abs(skew) > SKEW_SECONDS:
            raise Fail(
                f"This machine's clock and the API's differ by {skew:.0f} s.",
                "Set the clock: tokens are judged by it.",
                why="A token is in force from one second to another, and a wrong clock makes it expired or not yet "
                "valid.",
            )
        skewed = "clock not compared" if skew is None else f"clocks agree to {abs(skew):.0f} s"
        lifetime = (float(claims["exp"]) - float(claims.get("auth_time", claims["iat"]))) / 60
        return Pass(f"ID token of this client for {lifetime:.0f} min, {left / 60:.0f} min left; {skewed}")

    async def _check_signature(self, context: CheckContext, token: str) -> None:
        """Against the keys that the discovery document names, as the runtime's authorizer does."""
        url = context.outputs.discovery_url
        if not url:
            raise Inconclusive("The outputs name no discoveryUrl, so the token's signature was not checked.")
        try:
            document = (await context.http.get(url, timeout=10)).raise_for_status().json()
            found = (await context.http.get(document["jwks_uri"], timeout=10)).raise_for_status().json()
            keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(found).keys}
        except (httpx.HTTPError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            raise Fail(
                f"The user pool's keys cannot be had from {url} ({type(error).__name__}).",
                "The runtime's authorizer needs this address too: check discovery_url in infra/identity.py.",
                why="Without the keys no token can be checked, so all are refused.",
            ) from None
        try:
            named = jwt.get_unverified_header(token).get("kid")
            if named not in keys:
                raise Fail(
                    f"The token is signed with the key {named}, which is not among the user pool's ({url}).",
                    "The pool was replaced, or the token is another's: `python -m client logout`, and sign in again.",
                    why="A token whose key is unknown is refused as forged.",
                )
            await asyncio.to_thread(jwt.decode, token, keys[named], ["RS256"], {"verify_aud": False})
        except jwt.PyJWTError as error:
            raise Fail(
                f"The token's signature is not the pool's: {error}.",
                "Sign in to this stack again.",
                why="Either the token was changed on the way or somebody else has signed it: it is refused everywhere.",
            ) from None

    async def _skew(self, context: CheckContext) -> float | None:
        try:
            answer = await context.http.get(context.outputs.invoke_url, timeout=10)
            date = answer.headers.get("date") or answer.headers["x-amzn-remapped-date"]
            return time.time() - parsedate_to_datetime(date).timestamp()
        except (httpx.HTTPError, KeyError, ValueError):
            return None


class Authorizer(Check):
    """Nobody without a token, nobody with an access token, everybody with the ID token."""

    name = "authorizer"
    question = "no token and an access token are refused with 401, and the ID token is let through both checks"
    page = f"{AG}/apigateway-enable-cognito-user-pool.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        # What needs no sign-in comes first: it can be looked at when nobody can sign in.
        for what, token in (("no token", None), ("a made-up token", "a.b.cccc")):
            await self._must_be_refused(context, what, token)
        tokens = await context.signed_in()
        await self._must_be_refused(context, "an access token", tokens.access)
        answer = await context.ask(SHORT, token=tokens.id)
        responder = understood(answer, "With the ID token", "agent", "runtime", "authorizer")
        refused = "no token, an access token and a made-up one: 401 by the API"
        if responder == "runtime" and answer.status == 401 and b"Missing Auth" in answer.body:
            # AgentCore says this of a path that it does not know: what the stage serves is wrong, not the token.
            return Pass(f"{refused}; it lets the ID token through", ["the runtime's half: it was not asked"])
        if answer.status == 401:
            raise self._explain(responder == "runtime")
        context.accepted = True
        return Pass(f"{refused}; the ID token is let through by both ({answer.told()})")

    async def _must_be_refused(self, context: CheckContext, what: str, token: str | None) -> None:
        answer = await context.ask(SHORT, token=token, leave_after_deltas=1)
        responder = understood(answer, f"With {what}", "agent", "runtime", "authorizer")
        if responder == "authorizer":
            return
        by_runtime = "the API lets it through, and only the runtime refuses it"
        where = by_runtime if responder == "runtime" else "it is let through"
        raise Fail(
            f"With {what} the answer is {answer.told()}: {where}.",
            "infra/api.py, the POST method: authorization COGNITO_USER_POOLS with the authorizer, no authorization "
            "scopes, and the authorizer's identity validation expression on the client's id. Then deploy.",
            why="Whoever is not signed in reaches the runtime, and what that costs is on your bill.",
        )

    def _explain(self, by_runtime: bool) -> Fail:
        if by_runtime:
            return Fail(
                "The API lets the ID token through, and the runtime refuses it (its 401 carries a challenge).",
                "infra/runtime.py, custom_jwt_authorizer: allowed_audiences must hold the app client's id, "
                "allowed_clients must be left out (an ID token has no client_id), discovery_url must be the pool's.",
                why=f"The runtime checks the token a second time; see {CORE}/inbound-jwt-authorizer.html.",
            )
        return Fail(
            "The API refuses the ID token.",
            "infra/api.py: no authorization_scopes on the POST method (with them the authorizer takes access "
            "tokens), and provider_arns must name this user pool.",
            why="With scopes the Cognito authorizer takes access tokens, which the runtime then refuses: they name "
            "no audience.",
        )
