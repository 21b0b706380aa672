"""Request bodies: a question as an AG-UI ``RunAgentInput`` (https://docs.ag-ui.com), or attach, stop and history.

Each body has ``threadId`` at the top level. docs/agent.md describes them all.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract import SESSION_HEADER

PROTOCOL_VERSION = "1.0"
"""The AG-UI version: since 1.0 a stopped run ends with the outcome `cancelled`."""


def new_id() -> str:
    """Return a new id for a conversation or a run: a UUID."""
    return str(uuid.uuid4())


def question(prompt: str, thread_id: str, run_id: str | None = None) -> dict[str, Any]:
    """Return a question. For a repeated ``run_id`` the agent attaches to the run and does not start it twice."""
    return {
        "threadId": thread_id,
        "runId": run_id or new_id(),
        "protocolVersion": PROTOCOL_VERSION,
        # Invalid bytes in a command line become lone surrogates in Python, which UTF-8 cannot encode.
        "messages": [{"id": new_id(), "role": "user", "content": prompt.encode(errors="replace").decode()}],
        "state": {},
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }


def attach(thread_id: str, run_id: str | None = None, after: int = 0) -> dict[str, Any]:
    """Read a run, by default the thread's latest, from the event after this number."""
    return {"threadId": thread_id, "attach": {**_run(run_id), **({"after": after} if after else {})}}


def stop(thread_id: str, run_id: str | None = None) -> dict[str, Any]:
    """End a run at once, by default all of the thread's."""
    return {"threadId": thread_id, "stop": _run(run_id)}


def history(thread_id: str) -> dict[str, Any]:
    """Ask for the messages of a thread."""
    return {"threadId": thread_id, "history": {}}


def _run(run_id: str | None) -> dict[str, Any]:
    return {"runId": run_id} if run_id else {}


def encoded(body: Mapping[str, Any]) -> bytes:
    """Encode a body as JSON."""
    return json.dumps(body).encode()


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        url: the address.
        token: the bearer token; None sends none.
        body: the body of a POST.
        session_id: the value of the session header; empty sends none, and the gateway sets the session.
        headers: additional headers, which override the others.
        method: the HTTP method; only a POST has a body.
    """

    url: str
    token: str | None
    body: bytes | None = None
    session_id: str = ""
    headers: Mapping[str, str] | None = None
    method: str = "POST"

    def all_headers(self) -> dict[str, str]:
        """Return all headers of the request."""
        sent = {
            "Accept": "text/event-stream",
            # No compression: a compressing proxy buffers the stream, and a decompressed one could be of any size.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        sent |= {SESSION_HEADER: self.session_id} if self.session_id else {}
        sent |= {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        return {**sent, **(self.headers or {})}
