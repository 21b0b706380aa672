"""Check 13: the runtime's other operations refuse a user's token."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from client.doctor.check import CORE, Check, CheckContext, Fail, Inconclusive, Pass
from contract import SESSION_HEADER

PATIENCE = 10.0
"""The time limit in seconds; a refusal does not start a microVM, so it is fast."""


class Operation(NamedTuple):
    """One of AgentCore's operations on a runtime, with its path below ``/runtimes/{id}``.

    Attributes:
        body: the request's body; None opens a WebSocket, which is closed at once.
    """

    action: str
    method: str
    path: str
    body: str | None


OPERATIONS = (
    # A complete request with a sanitized command: an incomplete one could be refused for another reason.
    Operation("InvokeAgentRuntimeCommand", "POST", "commands", '{"command": "true"}'),
    Operation("InvokeAgentRuntimeCommandShell", "GET", "ws/shells", None),
    Operation("InvokeAgentRuntimeWithWebSocketStream", "GET", "ws", None),
    Operation("StopRuntimeSession", "POST", "stopruntimesession", "{}"),
)


class RuntimePolicy(Check):
    """Calls the runtime's command, shell, WebSocket and stop operations with the user's token, in a new session."""

    name = "runtime-policy"
    question = "a user's token opens no shell in the microVM: the runtime's other operations refuse it"
    page = f"{CORE}/resource-based-policies.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        token = (await context.signed_in()).id
        statuses = {one.action: await status_of(context, one, token) for one in OPERATIONS}
        taken = [action for action, status in statuses.items() if 0 < status < 300 or status == 424]
        denied = context.outputs.denied_actions
        if denied is None and taken:
            raise Inconclusive(
                f"The runtime accepts the token for {_listed(taken)}, and the outputs do not say what it should deny "
                "(deniedActions): run `pulumi up` and read them again."
            )
        wrong = [action for action in taken if any(fnmatchcase(action, name) for name in denied or ())]
        if wrong:
            raise Fail(
                f"The runtime accepts the user's token for {_listed(wrong)}.",
                "infra/resource_policy.py: the AgentcoreResourcePolicy of the runtime's ARN, with an unconditional "
                "Deny of them for Principal * (runtime.deniedActions). Then `pulumi up`.",
                why="With these operations and a bearer token, a user can run commands and open a shell in the "
                "microVM, which holds the origin secret and the credentials of the agent's role.",
            )
        private = context.outputs.bypass_protection == "private"
        refused = [action for action, status in statuses.items() if status in (401, 403) or (private and not status)]
        untold = [f"{each}: {statuses[each] or 'no answer'}" for each in statuses if each not in (*refused, *taken)]
        allowed = [f"{_listed(taken)} accepted, as runtime.deniedActions allows"] if taken else []
        return Pass("; ".join([f"refused: {_listed(refused)}", *allowed]), untold)


async def status_of(context: CheckContext, operation: Operation, token: str) -> int:
    """Call the operation and return the status; 0 if there is no response."""
    url = httpx.URL(_sibling(context.outputs.runtime_url, operation.path))
    headers = {"Authorization": f"Bearer {token}", SESSION_HEADER: f"doctor-{secrets.token_hex(16)}"}
    headers |= _handshake() if operation.body is None else {"Content-Type": "application/json"}
    asked = context.http.stream(
        operation.method, url, headers=headers, content=operation.body, timeout=PATIENCE, follow_redirects=False
    )
    try:
        async with asked as answer:
            return answer.status_code
    except httpx.HTTPError:
        return 0


def _sibling(runtime_url: str, path: str) -> str:
    """Return the URL of another operation of the same runtime."""
    parts = urlsplit(runtime_url)
    return parts._replace(path=f"{parts.path.rpartition('/')[0]}/{path}").geturl()


def _handshake() -> Mapping[str, str]:
    """Return the headers that open a WebSocket (RFC 6455)."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
    }


def _listed(actions: Sequence[str]) -> str:
    return ", ".join(actions) or "nothing"
