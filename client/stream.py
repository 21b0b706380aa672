"""Ask, and get the events of the answer as they arrive."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
from httpx_sse import EventSource, SSEError

from client.errors import AgentError, CutError, UnreachableError, refusal

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


async def ask(invoke_url: str, id_token: str, prompt: str, *, session_id: str | None = None) -> AsyncIterator[Arrival]:
    """Send a prompt and yield the events of the answer as they arrive.

    Args:
        invoke_url: the stack's ``invokeUrl``.
        id_token: the ID token; the API refuses an access token.
        prompt: what to ask.
        session_id: 33 to 256 characters, to go on with a conversation.

    Raises:
        RefusedError: when the gateway or the firewall refuses.
        AgentError: when the agent says that it failed.
        CutError: when the stream ends before the run does.
        UnreachableError: when there is no connection.
    """
    headers = {"Authorization": f"Bearer {id_token}", "Accept": "text/event-stream"}
    if session_id:
        headers[SESSION_HEADER] = session_id
    started = time.monotonic()
    over = False
    try:
        async with (
            httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http,
            http.stream("POST", invoke_url, headers=headers, json={"prompt": prompt}) as response,
        ):
            if response.status_code != 200:
                await response.aread()
                raise refusal(response.status_code, _message(response))
            async for sent in EventSource(response).aiter_sse():
                event = json.loads(sent.data)
                if event.get("type") == "RUN_ERROR":
                    raise AgentError(str(event.get("message")), str(event.get("code")))
                yield Arrival(event, time.monotonic() - started)
                over = event.get("type") == "RUN_FINISHED"
    except httpx.RemoteProtocolError as error:
        raise CutError(
            "The stream was cut before the answer was complete: a limit was reached, or the agent died."
        ) from error
    except httpx.TransportError as error:
        raise UnreachableError(f"{invoke_url} cannot be reached: {error or type(error).__name__}.") from error
    except (SSEError, ValueError) as error:
        raise CutError("The API sent something that is not an event stream of AG-UI events.") from error
    if not over:
        raise CutError("The stream ended before the run was finished.")


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return ""
