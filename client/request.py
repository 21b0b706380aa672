"""What is sent: a question as AG-UI has it (https://docs.ag-ui.com), or what one may ask about its run.

``threadId`` stands at the top of each body. docs/agent.md has them all.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract import SESSION_HEADER

PROTOCOL_VERSION = "1.0"
"""Of AG-UI: from this one on an agent may say how a run ended that was stopped."""


def new_id() -> str:
    """A new conversation or run: one UUID."""
    return str(uuid.uuid4())


def question(prompt: str, thread_id: str, run_id: str | None = None) -> dict[str, Any]:
    """A question: an AG-UI ``RunAgentInput``. The agent attaches a repeated ``run_id`` and asks nobody twice."""
    return {
        "threadId": thread_id,
        "runId": run_id or new_id(),
        "protocolVersion": PROTOCOL_VERSION,
        # What a shell passes on of another encoding is half a surrogate pair, which JSON in UTF-8 has no place for.
        "messages": [{"id": new_id(), "role": "user", "content": prompt.encode(errors="replace").decode()}],
        "state": {},
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }


def attach(thread_id: str, run_id: str | None = None, after: int = 0) -> dict[str, Any]:
    """Go on with a run, the thread's latest when none is named, after the event of this number."""
    return {"threadId": thread_id, "attach": {**_run(run_id), **({"after": after} if after else {})}}


def stop(thread_id: str, run_id: str | None = None) -> dict[str, Any]:
    """End a run at once, the thread's when none is named."""
    return {"threadId": thread_id, "stop": _run(run_id)}


def history(thread_id: str) -> dict[str, Any]:
    """What was said in a thread."""
    return {"threadId": thread_id, "history": {}}


def _run(run_id: str | None) -> dict[str, Any]:
    return {"runId": run_id} if run_id else {}


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body as bytes."""
    return json.dumps(body).encode()


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    Attributes:
        url: where to.
        token: None sends none.
        body: of a POST.
        session_id: the session that the header names; empty where the gateway says it itself.
        headers: more headers, which win.
        method: by any other than POST there is no body.
    """

    url: str
    token: str | None
    body: bytes | None = None
    session_id: str = ""
    headers: Mapping[str, str] | None = None
    method: str = "POST"

    def all_headers(self) -> dict[str, str]:
        """As they are sent."""
        sent = {
            "Accept": "text/event-stream",
            # A stream that unfolds has no bound of its own, and what collects bytes to squeeze them holds words back.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        sent |= {SESSION_HEADER: self.session_id} if self.session_id else {}
        sent |= {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        return {**sent, **(self.headers or {})}
