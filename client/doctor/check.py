"""What a check is, and what it can say."""

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
"""An answer's headers come with its first event: a cold start takes seconds, and what takes longer hangs."""

TRIES = 5
USUAL_PAUSE = 1.0
LONGEST_PAUSE = 10.0
"""How often, and after how many seconds, a throttled request is made again."""


def throttled(answer: Recording) -> bool:
    """Whether a token bucket of the API refused; a web ACL's rate rule answers 429 too, without this name."""
    named = "TooManyRequests" in answer.headers.get("x-amzn-errortype", "") or b'"THROTTLED"' in answer.body
    return answer.status == 429 and named


class Fail(Exception):  # noqa: N818 - a result that ends a check early, not an error
    """A check found something broken.

    Args:
        seen: what was observed.
        change: which file and setting to change, and how.
        why: why it matters, of this very observation.
        fatal: whether what comes after it would only show its consequences.
    """

    def __init__(self, seen: str, change: str, *, why: str, fatal: bool = True) -> None:
        super().__init__(seen)
        self.seen = seen
        self.change = change
        self.why = why
        self.fatal = fatal


class Inconclusive(Exception):  # noqa: N818 - a result that ends a check early, not an error
    """A check could not be made, for a reason that is no finding about the stack."""


class NeedsSignIn(Inconclusive):
    """A check needs a token, and the sign-in has failed before."""


@dataclass(slots=True)
class CheckContext:
    """What the checks examine, and what the earlier ones have learnt.

    Attributes:
        outputs: the stack's.
        deployment: what is deployed, read from above.
        http: connections to the API.
        sign_in: gives the user's tokens.
        origin: of the page that calls the API; empty when not known.
        tokens: the user's, once the sign-in was checked.
        request_id: of an answer that was streamed to its end.
        slow: whether there is time to wait past the idle limit.
        accepted: whether the ID token is known to be let through.
        silence: a run that is silent for a while, asked for early since it is mostly waiting.
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
        """The user's tokens, also when the sign-in itself is not being checked. It is tried once.

        Raises:
            SignInError: why there are none, the first time.
            NeedsSignIn: every time after.
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
        """Ask through the API, or at another address, as `client.recording.record` does.

        A throttle is waited for, one token of its bucket at a time: the doctor's own requests empty a small one.
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
        """The session header: none where the gateway sets it; past the gateway, what the gateway would set."""
        direct = url == self.outputs.runtime_url
        named = dict(headers or {})
        if direct and self.outputs.session_from == "user" and (user := claims_of(token or "").get("sub")):
            named[SESSION_HEADER] = str(user)
        return {"headers": named, "name_session": direct or self.outputs.names_session}

    async def _pause(self) -> float:
        """Seconds until the bucket has one more token."""
        try:
            throttle = await asyncio.to_thread(self.deployment.throttle)
        except DeploymentUnavailable:
            return USUAL_PAUSE
        return min(LONGEST_PAUSE, 1 / throttle.rate) if throttle and throttle.rate > 0 else USUAL_PAUSE


@dataclass(slots=True)
class Pass:
    """What a check saw when all was well.

    Attributes:
        seen: one line.
        not_checked: what the check would have looked at too, and why it could not.
        proposal: what could be better although nothing is broken, and which setting to change; empty for nothing.
    """

    seen: str
    not_checked: list[str] = field(default_factory=list)
    proposal: str = ""


class Check(Protocol):
    """One thing that the doctor looks at.

    Attributes:
        name: as on the command line.
        question: what is checked, in a line.
        page: where to read about it.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    page: ClassVar[str]

    def prepare(self, context: CheckContext) -> None:
        """Begin what takes long to wait for; called after each check, until this one's turn has come."""
        return

    async def run(self, context: CheckContext) -> Pass:
        """Look.

        Raises:
            Fail: when something is broken.
            Inconclusive: when it cannot be told.
            ClientError: likewise.
        """
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check; ``seconds`` is how long it took."""

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
