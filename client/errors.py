"""Everything that can go wrong between a user and an answer, by the layer that is at fault.

::

    ClientError
    ├── UsageError                what was asked for cannot be done as it was asked
    ├── OutputsError              the stack's outputs cannot be had
    ├── SignInError               Cognito refuses the user, or nobody is signed in
    │   └── UserPoolError         there is no such user pool or app client, or Cognito cannot be reached
    ├── AdministrationError       a user cannot be added, listed or disabled
    ├── UnreachableError          no connection, or it broke before an answer (has ``sent``)
    ├── RefusedError              the gateway or the firewall refuses the request (has ``status``)
    │   ├── NotSignedInError      401: no token, or an expired one
    │   │   └── WrongTokenError   401: a token of the wrong kind, pool or app client
    │   ├── BlockedError          403, 413: the firewall or a policy
    │   │   └── ApiKeyError       403: the API wants a team's API key
    │   ├── ThrottledError        429
    │   └── ConflictError         409: the session is being started or stopped
    ├── BenchmarkError            some questions of a benchmark were not answered
    ├── ProtocolError             what came back is not a stream of AG-UI events
    ├── CutError                  the stream ended without its last event (has ``limit``)
    └── AgentError                the agent says that it failed (has ``code``)

Every message is a sentence or two: what happened, and what to do. It is safe to print, whatever a server has put in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from client.sanitize import harmless, quoted

__all__ = [
    "AdministrationError",
    "AgentError",
    "ApiKeyError",
    "BenchmarkError",
    "BlockedError",
    "ClientError",
    "ConflictError",
    "CutError",
    "NotSignedInError",
    "OutputsError",
    "ProtocolError",
    "RefusedError",
    "SignInError",
    "ThrottledError",
    "UnreachableError",
    "UsageError",
    "UserPoolError",
    "WrongTokenError",
    "agent_failure",
    "reason",
    "refusal",
]

Limit = Literal["idle", "total"]


class ClientError(Exception):
    """Anything that this client can name."""

    def __init__(self, message: str) -> None:
        super().__init__(harmless(message))


class UsageError(ClientError):
    """What was asked for cannot be done as it was asked: an option, a file, a missing library."""


class OutputsError(ClientError):
    """The stack's outputs cannot be had.

    Attributes:
        faulty: the outputs that are missing or wrong; empty when there are no outputs at all.
    """

    def __init__(self, message: str, faulty: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.faulty = faulty


class SignInError(ClientError):
    """Cognito does not let the user in, or nobody is signed in."""


class UserPoolError(SignInError):
    """There is no such user pool or app client, or Cognito cannot be reached: nobody can sign in."""


class AdministrationError(ClientError):
    """Cognito refuses an administrator's call."""


class UnreachableError(ClientError):
    """The API cannot be reached.

    Attributes:
        sent: whether the request may have reached the agent, so that sending it again could ask twice.
    """

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent


class RefusedError(ClientError):
    """The request was refused before the agent began to answer.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotSignedInError(RefusedError):
    """The token is missing or no longer in force."""


class WrongTokenError(NotSignedInError):
    """A valid token, but not the ID token of this stack's user pool and app client."""


class BlockedError(RefusedError):
    """The firewall, or a policy, refuses the request."""


class ApiKeyError(BlockedError):
    """The stack gives its teams API keys, and the request carries none, or none that it knows."""


class ThrottledError(RefusedError):
    """Too many requests."""


class ConflictError(RefusedError):
    """AgentCore is starting or stopping the session's microVM; the same request succeeds a little later."""


class BenchmarkError(ClientError):
    """Some questions of a benchmark were not answered."""


class ProtocolError(ClientError):
    """Something answered, and not with a stream of AG-UI events."""


class CutError(ClientError):
    """The stream ended before the run did.

    Attributes:
        limit: the limit that was reached: ``idle`` (silence), ``total`` (length), None when it was neither.
    """

    def __init__(self, message: str, limit: Limit | None = None) -> None:
        super().__init__(message)
        self.limit = limit


class AgentError(ClientError):
    """The run failed.

    Attributes:
        code: one of the documented codes of ``RUN_ERROR``.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


_NEXT_STEP: Mapping[str, str] = {
    "INVALID_INPUT": "Change the question.",
    "SESSION_FORBIDDEN": "Leave --session out to begin a conversation of your own.",
    "SESSION_BUSY": "Wait until the answers of this session have ended.",
    "ORIGIN_FORBIDDEN": "Ask through the API's address (invokeUrl), not the runtime's.",
    "MODEL_THROTTLED": "Wait a minute; if it stays, ask for a larger quota of the model.",
    "MODEL_UNAVAILABLE": "Check the model's access and Region in the stack's settings, and the runtime's log.",
    "CONTEXT_TOO_LONG": "Begin a new session, or ask for less.",
    "TOOL_FAILED": "Ask again; the runtime's log names the tool.",
    "MODEL_OUTPUT_INVALID": "Ask again; the runtime's log has what the model sent.",
    "RUN_TIMEOUT": "Ask for less at a time, or raise runtime.runSeconds.",
    "RUN_UNKNOWN": "Ask a question first; of a conversation that was kept, `history` has what was said.",
    "EVENTS_GONE": "Read what was kept of it with `python -m client history`.",
    "STOPPED": "Ask again, or go on with another question.",
    "MEDIA_URL_FORBIDDEN": "Send the file itself, or have its host added to runtime.mediaHosts.",
    "MEDIA_UNSUPPORTED": "Send it in a format that the model takes.",
    "INTERNAL": "Look the reference up in the runtime's log.",
}


def reason(error: Exception) -> str:
    """Why something failed, in a line: of many exceptions of the network the name, and of some all that they read."""
    return quoted(str(error)) or type(error).__name__


def agent_failure(code: str, message: str) -> AgentError:
    """The error for a ``RUN_ERROR`` event: what the agent says, its code, and what to do about it."""
    step = _NEXT_STEP.get(code, "Look the reference up in the runtime's log.")
    said = " ".join(part for part in (quoted(message), f"[{quoted(code)}]" if code else "") if part)
    return AgentError(f"{said or 'The agent failed and does not say why.'} {step}", code)


# Status: the class of the error, and what to say before and after what the server said.
_REFUSALS: Mapping[int, tuple[type[RefusedError], str, str]] = {
    401: (NotSignedInError, "The API does not accept the token", "sign in again; it takes the ID token."),
    403: (BlockedError, "The request was blocked before it reached the agent", "`doctor` says by what."),
    409: (ConflictError, "The session is just being started or stopped", "ask again in a moment."),
    413: (BlockedError, "The request is too large and was blocked", "ask for less at a time."),
    424: (RefusedError, "The agent failed to start or to answer", "look at the runtime's log."),
    429: (ThrottledError, "The API takes no more requests for now", "wait a little and ask again."),
    504: (RefusedError, "The agent did not begin to answer in time", "look at the runtime's log."),
}

# A gateway response's type, where it says more than the status (infra/gateway_responses.py puts it into the body).
_TYPES: Mapping[str, tuple[type[RefusedError], str, str]] = {
    "INVALID_API_KEY": (
        ApiKeyError,
        "The API wants a team's API key",
        "set AGENT_STREAM_API_KEY to your team's, which whoever runs the stack can give you.",
    ),
    "QUOTA_EXCEEDED": (
        RefusedError,  # not throttled: asking again in a moment changes nothing
        "The team's requests for today are used up",
        "ask tomorrow, or have requestsPerDay raised under api.teams.",
    ),
}


def refusal(status: int, message: str, *, token_fault: str = "", kind: str = "") -> RefusedError:
    """The error for a status that is not 200.

    Args:
        status: the HTTP status.
        message: what the server said of it; may be empty.
        token_fault: what is wrong with the token that was sent, where its claims tell.
        kind: the gateway response's type, where the body has one.
    """
    unknown = (RefusedError, f"The API answered {status}", "look at its access log.")
    error, what, step = _TYPES.get(kind) or _REFUSALS.get(status, unknown)
    if status == 401 and token_fault:
        error, step = WrongTokenError, token_fault
    said = f" ({quoted(message).rstrip('.')})" if message else ""
    return error(f"{what}{said}: {step}", status)
