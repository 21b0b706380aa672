"""What a check is, and what it can say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

import httpx

from client.doctor.deployment import Deployment
from client.outputs import Outputs
from client.signin import Tokens

Status = Literal["ok", "finding", "unknown", "skipped"]

AG = "https://docs.aws.amazon.com/apigateway/latest/developerguide"
CORE = "https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide"


class Finding(Exception):  # noqa: N818 - a result that ends a check early, not an error
    """A check found something broken.

    Args:
        seen: what was observed.
        change: which file and setting to change, and how.
        why: why it matters, where that is more than the check says of itself.
    """

    def __init__(self, seen: str, change: str, why: str = "") -> None:
        super().__init__(seen)
        self.seen = seen
        self.change = change
        self.why = why


class CouldNotCheck(Exception):  # noqa: N818 - a result that ends a check early, not an error
    """A check could not be made, for a reason that is no finding about the stack."""


@dataclass(slots=True)
class Patient:
    """What the checks examine, and what the earlier ones have learnt.

    Attributes:
        outputs: the stack's.
        deployment: what is deployed, read from above.
        http: connections to the API.
        sign_in: gives the user's tokens.
        origin: of the page that calls the API; empty when not known.
        tokens: the user's, once the sign-in was checked.
        request_id: of an answer that was streamed to its end.
    """

    outputs: Outputs
    deployment: Deployment
    http: httpx.AsyncClient
    sign_in: Callable[[], Awaitable[Tokens]]
    origin: str = ""
    tokens: Tokens | None = None
    request_id: str = ""

    async def signed_in(self) -> Tokens:
        """The user's tokens, also when the sign-in itself is not being checked."""
        if self.tokens is None:
            self.tokens = await self.sign_in()
        return self.tokens


@dataclass(slots=True)
class Seen:
    """What a check saw when all was well.

    Attributes:
        text: one line.
        not_looked_at: what the check would have looked at too, and why it could not.
    """

    text: str
    not_looked_at: list[str] = field(default_factory=list)


class Check(Protocol):
    """One thing that the doctor looks at.

    Attributes:
        name: as on the command line.
        question: what is checked, in a line.
        why: why it matters.
        page: where to read about it.
        slow: made only with ``--slow``.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    why: ClassVar[str]
    page: ClassVar[str]
    slow: ClassVar[bool]

    async def run(self, patient: Patient) -> Seen:
        """Look.

        Raises:
            Finding: when something is broken.
            CouldNotCheck: when it cannot be told.
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
    not_looked_at: tuple[str, ...] = ()
    seconds: float = 0.0
