"""Checks 2 and 3: the ID token, and which tokens the API and the runtime accept."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime

import httpx
import jwt

from client.account import claims_of
from client.doctor.check import AG, CORE, Check, CheckContext, Fail, Inconclusive, Pass
from client.doctor.probe import SHORT
from client.doctor.responder import expect_responder
from client.errors import UserPoolError

SKEW_SECONDS = 60
"""With a larger clock difference, tokens seem expired or not yet valid."""


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
                why="Nobody can sign in, and both authorizers accept only tokens of this user pool.",
                fatal=False,  # the checks that need no token can still run
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
                "Set this machine's clock.",
                why="A token has a start and an expiry time; with a wrong clock it seems expired or not yet valid.",
            )
        skewed = "clock not compared" if skew is None else f"clocks agree to {abs(skew):.0f} s"
        lifetime = (float(claims["exp"]) - float(claims.get("auth_time", claims["iat"]))) / 60
        return Pass(f"ID token of this client for {lifetime:.0f} min, {left / 60:.0f} min left; {skewed}")

    async def _check_signature(self, context: CheckContext, token: str) -> None:
        """Verify the signature with the keys from the discovery document, as the runtime's authorizer does."""
        url = context.outputs.discovery_url
        if not url:
            raise Inconclusive("The outputs have no discoveryUrl, so the token's signature was not checked.")
        try:
            document = (await context.http.get(url, timeout=10)).raise_for_status().json()
            found = (await context.http.get(document["jwks_uri"], timeout=10)).raise_for_status().json()
            keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(found).keys}
        except (httpx.HTTPError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            raise Fail(
                f"The user pool's keys cannot be fetched from {url} ({type(error).__name__}).",
                "The runtime's authorizer needs this URL too: check discovery_url in infra/identity.py.",
                why="Without the keys no token can be verified, so all are refused.",
            ) from None
        try:
            named = jwt.get_unverified_header(token).get("kid")
            if named not in keys:
                raise Fail(
                    f"The token is signed with the key {named}, which is not among the user pool's ({url}).",
                    "The pool was replaced, or the token is another pool's: run `python -m client logout`, and sign in "
                    "again.",
                    why="A token with an unknown key is refused.",
                )
            await asyncio.to_thread(jwt.decode, token, keys[named], ["RS256"], {"verify_aud": False})
        except jwt.PyJWTError as error:
            raise Fail(
                f"The token's signature is invalid: {error}.",
                "Sign in to this stack again.",
                why="The token was modified or signed by someone else, so it is refused everywhere.",
            ) from None

    async def _skew(self, context: CheckContext) -> float | None:
        try:
            answer = await context.http.get(context.outputs.invoke_url, timeout=10)
            date = answer.headers.get("date") or answer.headers["x-amzn-remapped-date"]
            return time.time() - parsedate_to_datetime(date).timestamp()
        except (httpx.HTTPError, KeyError, ValueError):
            return None


class Authorizer(Check):
    """No token, a made-up token and an access token are refused; the ID token is accepted."""

    name = "authorizer"
    question = "no token and an access token are refused with 401, and both authorizers accept the ID token"
    page = f"{AG}/apigateway-enable-cognito-user-pool.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        # The part that needs no sign-in comes first, so that it runs when the sign-in fails.
        for what, token in (("no token", None), ("a made-up token", "a.b.cccc")):
            await self._must_be_refused(context, what, token)
        tokens = await context.signed_in()
        await self._must_be_refused(context, "an access token", tokens.access)
        answer = await context.ask(SHORT, token=tokens.id)
        responder = expect_responder(answer, "With the ID token", "agent", "runtime", "authorizer")
        refused = "no token, an access token and a made-up one: 401 by the API"
        if responder == "runtime" and answer.status == 401 and b"Missing Auth" in answer.body:
            # AgentCore sends this for an unknown path: the stage's URL is wrong, not the token.
            return Pass(f"{refused}; it accepts the ID token", ["the runtime's authorizer: it was not reached"])
        if answer.status == 401:
            raise self._explain(responder == "runtime")
        context.accepted = True
        return Pass(f"{refused}; both accept the ID token ({answer.summary()})")

    async def _must_be_refused(self, context: CheckContext, what: str, token: str | None) -> None:
        answer = await context.ask(SHORT, token=token, leave_after_deltas=1)
        responder = expect_responder(answer, f"With {what}", "agent", "runtime", "authorizer")
        if responder == "authorizer":
            return
        by_runtime = "the API accepts it, and only the runtime refuses it"
        where = by_runtime if responder == "runtime" else "it is accepted"
        raise Fail(
            f"With {what} the answer is {answer.summary()}: {where}.",
            "infra/api.py, the POST method: authorization COGNITO_USER_POOLS with the authorizer, no authorization "
            "scopes, and the authorizer's identity validation expression on the client's id. Then deploy.",
            why="Requests without a sign-in reach the runtime, at your expense.",
        )

    def _explain(self, by_runtime: bool) -> Fail:
        if by_runtime:
            return Fail(
                "The API accepts the ID token, and the runtime refuses it (its 401 has a WWW-Authenticate header).",
                "infra/runtime.py, custom_jwt_authorizer: allowed_audiences must contain the app client's id, "
                "allowed_clients must be left out (an ID token has no client_id), discovery_url must be the pool's.",
                why=f"The runtime checks the token a second time; see {CORE}/inbound-jwt-authorizer.html.",
            )
        return Fail(
            "The API refuses the ID token.",
            "infra/api.py: no authorization_scopes on the POST method (with them the authorizer requires access "
            "tokens), and provider_arns must contain this user pool.",
            why="With scopes the Cognito authorizer requires access tokens, which the runtime then refuses: they have "
            "no audience.",
        )
