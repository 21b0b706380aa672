"""The interface of a check, its context and its results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import httpx

from client.account import claims_of
from client.doctor.deployment import Deployment, DeploymentUnavailable
from client.exchange import record
from client.outputs import Outputs
from client.recording import Recording
from client.signin import Tokens
from contract import SESSION_HEADER

Status = Literal["pass", "fail", "inconclusive", "skipped"]

AG = "https://docs.aws.amazon.com/apigateway/latest/developerguide"
CORE = "https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide"

BEGIN_SECONDS = 30.0
"""The time limit for a response's headers, which are sent at once: a cold start takes seconds."""

TRIES = 5
USUAL_PAUSE = 1.0
LONGEST_PAUSE = 10.0
"""Attempts of a throttled request, and the pause between them in seconds."""


def throttled(answer: Recording) -> bool:
    """Whether the API's throttle refused; a web ACL's rate rule sends 429 too, without this error type."""
    named = "TooManyRequests" in answer.headers.get("x-amzn-errortype", "") or b'"THROTTLED"' in answer.body
    return answer.status == 429 and named


class Fail(Exception):  # noqa: N818 - a result that ends a check early, not an error
    """A check found something broken.

    Args:
        seen: what was observed.
        change: which file and setting to change, and how.
        why: why this observation matters.
        fatal: whether later checks would only show its consequences.
    """

    def __init__(self, seen: str, change: str, *, why: str, fatal: bool = True) -> None:
        super().__init__(seen)
        self.seen = seen
        self.change = change
        self.why = why
        self.fatal = fatal


class Inconclusive(Exception):  # noqa: N818 - a result that ends a check early, not an error
    """A check could not be completed, for a reason that is not a fault of the stack."""


class NeedsSignIn(Inconclusive):
    """A check needs a token, and the sign-in has already failed."""


@dataclass(slots=True)
class CheckContext:
    """The stack under test, and results of earlier checks that later ones use.

    Attributes:
        outputs: the stack's.
        deployment: reads what is deployed.
        http: the client for the API.
        sign_in: returns the user's tokens.
        origin: the origin of the page that calls the API; empty when unknown.
        tokens: the user's tokens, after the sign-in.
        request_id: the id of a request whose answer was streamed completely.
        slow: whether to wait past the idle limit.
        accepted: whether the ID token was accepted.
        silence: a run that is silent for a while, started early because it mostly waits.
    """

    outputs: Outputs
    deployment: Deployment
    http: httpx.AsyncClient
    sign_in: Callable[[], Awaitable[Tokens]]
    origin: str = ""
    tokens: Tokens | None = None
    request_id: str = ""
    slow: bool = False
    accepted: bool = False
    silence: asyncio.Task[Recording] | None = None
    _sign_in_failed: bool = False

    async def signed_in(self) -> Tokens:
        """Return the user's tokens; signs in once, also when the sign-in check is not selected.

        Raises:
            SignInError: when the sign-in fails, the first time.
            NeedsSignIn: every further time.
        """
        if self._sign_in_failed:
            raise NeedsSignIn("It needs a signed-in user.")
        if self.tokens is None:
            try:
                self.tokens = await self.sign_in()
            except Exception:
                self._sign_in_failed = True
                raise
        return self.tokens

    async def ask(self, prompt: str, *, token: str | None, url: str = "", **how: Any) -> Recording:
        """Ask through the API or at another address, as `client.exchange.record`.

        Retries a throttled request when the bucket has refilled: the doctor's own requests empty a small bucket.
        """
        url = url or self.outputs.invoke_url
        how = {"begin_within": BEGIN_SECONDS, **how, **self._session(url, token, how.get("headers"))}
        for _ in range(TRIES):
            answer = await record(self.http, url, token, prompt, **how)
            if not throttled(answer):
                break
            await asyncio.sleep(await self._pause())
        return answer

    def _session(self, url: str, token: str | None, headers: Mapping[str, str] | None) -> Mapping[str, Any]:
        """Return the session header: none where the gateway sets it; for direct calls, the value that it would set."""
        direct = url == self.outputs.runtime_url
        named = dict(headers or {})
        if direct and self.outputs.session_from == "user" and (user := claims_of(token or "").get("sub")):
            named[SESSION_HEADER] = str(user)
        return {"headers": named, "name_session": direct or self.outputs.sends_session}

    async def _pause(self) -> float:
        """Return the seconds in which the bucket gains one token."""
        try:
            throttle = await asyncio.to_thread(self.deployment.throttle)
        except DeploymentUnavailable:
            return USUAL_PAUSE
        return min(LONGEST_PAUSE, 1 / throttle.rate) if throttle and throttle.rate > 0 else USUAL_PAUSE


@dataclass(slots=True)
class Pass:
    """A check's result when nothing is broken.

    Attributes:
        seen: what was observed, in one line.
        not_checked: parts that could not be checked, each with the reason.
        proposal: a possible improvement, and the setting to change; may be empty.
    """

    seen: str
    not_checked: list[str] = field(default_factory=list)
    proposal: str = ""


class Check(Protocol):
    """One check.

    Attributes:
        name: its name on the command line.
        question: what is checked, in one line.
        page: the address of AWS's documentation.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    page: ClassVar[str]

    def prepare(self, context: CheckContext) -> None:
        """Start slow work early; called after each earlier check."""
        return

    async def run(self, context: CheckContext) -> Pass:
        """Run the check.

        Raises:
            Fail: when something is broken.
            Inconclusive, ClientError: when the check could not be completed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check; ``seconds`` is its duration."""

    name: str
    question: str
    status: Status
    seen: str
    why: str = ""
    change: str = ""
    page: str = ""
    not_checked: tuple[str, ...] = ()
    proposal: str = ""
    seconds: float = 0.0
