"""Ask, and get the events of the answer as they arrive."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import httpx
from httpx_sse import EventSource, SSEError

from client.errors import CutError, Limit, UnreachableError, agent_failure, refusal

SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"

# The server bounds how long a stream may be silent and how long it may last; the client only connects in time.
TIMEOUT = httpx.Timeout(None, connect=10)


class Arrival(NamedTuple):
    """One event of an answer.

    Attributes:
        event: an AG-UI event.
        seconds: since the question was sent.
    """

    event: dict[str, Any]
    seconds: float

    @property
    def text(self) -> str:
        """The words in this event; empty for every event but a text delta."""
        return str(self.event["delta"]) if self.event.get("type") == "TEXT_MESSAGE_CONTENT" else ""


class Limits(NamedTuple):
    """The stack's limits in seconds; they tell why a stream was cut."""

    idle: float
    total: float


def new_session() -> str:
    """A new conversation: one UUID, for the session header and for AG-UI's ``threadId``."""
    return str(uuid.uuid4())


def question(prompt: str, session_id: str) -> dict[str, Any]:
    """The body of a request: an AG-UI ``RunAgentInput`` (https://docs.ag-ui.com)."""
    return {
        "threadId": session_id,
        "runId": str(uuid.uuid4()),
        "messages": [{"id": str(uuid.uuid4()), "role": "user", "content": prompt}],
        "state": {},
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }


async def ask(
    invoke_url: str,
    id_token: str,
    prompt: str,
    *,
    session_id: str | None = None,
    limits: Limits | None = None,
    token_fault: str = "",
    http: httpx.AsyncClient | None = None,
) -> AsyncGenerator[Arrival, None]:
    """Send a prompt and yield the events of the answer as they arrive.

    Args:
        invoke_url: the stack's ``invokeUrl``.
        id_token: the ID token; the API refuses an access token.
        prompt: what to ask.
        session_id: 33 to 256 characters, to go on with a conversation; a new one begins when left out.
        limits: the stack's, to name the one at which a stream was cut.
        token_fault: what to say of the token if it is refused, from `client.account.token_fault`.
        http: a client whose connections to use; a new one is made when left out.

    Raises:
        RefusedError: when the gateway or the firewall refuses.
        AgentError: when the agent says that it failed.
        CutError: when the stream ends before the run does.
        UnreachableError: when there is no connection.
    """
    if http is None:
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=invoke_url.startswith("https:")) as own:
            async for arrival in ask(
                invoke_url,
                id_token,
                prompt,
                session_id=session_id,
                limits=limits,
                token_fault=token_fault,
                http=own,
            ):
                yield arrival
        return
    session_id = session_id or new_session()
    headers = {"Authorization": f"Bearer {id_token}", "Accept": "text/event-stream", SESSION_HEADER: session_id}
    clock = _Clock()
    try:
        async with http.stream(
            "POST", invoke_url, headers=headers, json=question(prompt, session_id), timeout=TIMEOUT
        ) as response:
            if response.status_code != 200:
                await response.aread()
                raise refusal(response.status_code, _message(response), token_fault=token_fault)
            clock.answered = True
            async for arrival in _events(response, clock):
                yield arrival
    except httpx.ConnectError as error:
        raise UnreachableError(f"{invoke_url} cannot be reached: {error or type(error).__name__}.") from error
    except httpx.TransportError as error:
        if clock.answered:
            raise clock.cut(limits) from error
        raise UnreachableError(
            f"{invoke_url} broke the connection off before it answered: {error or type(error).__name__}.", sent=True
        ) from error
    except (SSEError, ValueError) as error:
        raise CutError("The API sent something that is not an event stream of AG-UI events.") from error
    if not clock.over:
        raise clock.cut(limits)


class _Clock:
    """When things happened in one request."""

    def __init__(self) -> None:
        self.started = self.last = time.monotonic()
        self.answered = self.over = False

    def cut(self, limits: Limits | None) -> CutError:
        """The error for a stream that ended early: by its silence, its length, or neither."""
        now = time.monotonic()
        silent, lasted = now - self.last, now - self.started
        limit: Limit | None = None
        if limits and silent >= limits.idle * 0.95:
            limit, why = "idle", f"it was silent for {silent:.0f} s, which is the idle limit: check the heartbeats"
        elif limits and lasted >= limits.total * 0.95:
            limit, why = (
                "total",
                f"it lasted {lasted:.0f} s, which is the integration's timeout: ask for less at a time",
            )
        else:
            why = "no limit was near, so the agent, or something on the way, broke it off: look at the runtime's log"
        return CutError(f"The stream was cut before the answer was complete: {why}.", limit)


async def _events(response: httpx.Response, clock: _Clock) -> AsyncGenerator[Arrival, None]:
    async for sent in EventSource(response).aiter_sse():
        now = clock.last = time.monotonic()
        event = json.loads(sent.data)
        if event.get("type") == "RUN_ERROR":
            raise agent_failure(str(event.get("code")), str(event.get("message")))
        clock.over = event.get("type") == "RUN_FINISHED"
        yield Arrival(event, now - clock.started)


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return ""
