"""The client's exceptions, by the layer that failed.

::

    ClientError
    ├── UsageError                an option or a file that was given is invalid
    ├── OutputsError              the stack's outputs cannot be read
    ├── SignInError               Cognito refuses the user, or nobody is signed in
    │   └── UserPoolError         no such user pool or app client, or Cognito cannot be reached
    ├── AdministrationError       Cognito refuses an administrator's call
    ├── UnreachableError          no connection, or it broke before the response (has ``sent``)
    ├── RefusedError              the gateway or the firewall refuses the request (has ``status``)
    │   ├── NotSignedInError      401: no token, or an expired one
    │   │   └── WrongTokenError   401: a token of the wrong kind, pool or app client
    │   ├── BlockedError          403, 413: the firewall or a policy
    │   │   └── ApiKeyError       403: the API requires a team's API key
    │   ├── ThrottledError        429
    │   └── ConflictError         409: the session is being started or stopped
    ├── BenchmarkError            some questions of a benchmark were not answered
    ├── ProtocolError             the response is not a stream of AG-UI events
    ├── CutError                  the stream ended without a terminal event (has ``limit``)
    └── AgentError                the run ended with RUN_ERROR (has ``code``)

Every message is a sentence or two: what happened, and what to do. Text of a server in it is sanitized.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from client.sanitize import quoted, sanitized

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
    """Base class; the message is sanitized."""

    def __init__(self, message: str) -> None:
        super().__init__(sanitized(message))


class UsageError(ClientError):
    """The command cannot be carried out as given: an option, a file, a missing library."""


class OutputsError(ClientError):
    """The stack's outputs cannot be read.

    Attributes:
        faulty: the outputs that are missing or wrong; empty when there are no outputs at all.
    """

    def __init__(self, message: str, faulty: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.faulty = faulty


class SignInError(ClientError):
    """Cognito refuses the user, or nobody is signed in."""


class UserPoolError(SignInError):
    """There is no such user pool or app client, or Cognito cannot be reached: nobody can sign in."""


class AdministrationError(ClientError):
    """Cognito refuses an administrator's call."""


class UnreachableError(ClientError):
    """The API cannot be reached.

    Attributes:
        sent: whether the request may have reached the agent, so that a retry could ask the question twice.
    """

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent


class RefusedError(ClientError):
    """The request was refused before the agent started to answer.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotSignedInError(RefusedError):
    """The token is missing or has expired."""


class WrongTokenError(NotSignedInError):
    """A valid token, but not the ID token of this stack's user pool and app client."""


class BlockedError(RefusedError):
    """The firewall, or a policy, refuses the request."""


class ApiKeyError(BlockedError):
    """The stack requires a team's API key, and the request has none or an unknown one."""


class ThrottledError(RefusedError):
    """Too many requests."""


class ConflictError(RefusedError):
    """AgentCore is starting or stopping the session's microVM; a retry succeeds a little later."""


class BenchmarkError(ClientError):
    """Some questions of a benchmark were not answered."""


class ProtocolError(ClientError):
    """The response is not a stream of AG-UI events."""


class CutError(ClientError):
    """The stream ended before the run did.

    Attributes:
        limit: the limit that was reached: ``idle`` (no bytes), ``total`` (duration), or None.
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
    "SESSION_FORBIDDEN": "Omit --session to start a conversation of your own.",
    "SESSION_BUSY": "Wait until the answers of this session have ended.",
    "ORIGIN_FORBIDDEN": "Ask through the API's address (invokeUrl), not the runtime's.",
    "MODEL_THROTTLED": "Wait a minute; if it stays, ask for a larger quota of the model.",
    "MODEL_UNAVAILABLE": "Check the model's access and Region in the stack's settings, and the runtime's log.",
    "CONTEXT_TOO_LONG": "Start a new session, or ask for less.",
    "TOOL_FAILED": "Ask again; the runtime's log names the tool.",
    "MODEL_OUTPUT_INVALID": "Ask again; the runtime's log has what the model sent.",
    "RUN_TIMEOUT": "Ask for less at a time, or raise runtime.runSeconds.",
    "RUN_UNKNOWN": "Ask a question first; `history` shows the messages of a stored conversation.",
    "EVENTS_GONE": "Read the stored conversation with `python -m client history`.",
    "STOPPED": "Ask again, or ask another question.",
    "MEDIA_URL_FORBIDDEN": "Send the file itself, or have its host added to runtime.mediaHosts.",
    "MEDIA_UNSUPPORTED": "Send it in a format that the model supports.",
    "INTERNAL": "Search the runtime's log for the reference.",
}


def reason(error: Exception) -> str:
    """The text of an exception on one line; its class name if it has no text, as some of httpx's."""
    return quoted(str(error)) or type(error).__name__


def agent_failure(code: str, message: str) -> AgentError:
    """The error for a ``RUN_ERROR`` event: its message, its code, and what to do about it."""
    step = _NEXT_STEP.get(code, "Search the runtime's log for the reference.")
    said = " ".join(part for part in (quoted(message), f"[{quoted(code)}]" if code else "") if part)
    return AgentError(f"{said or 'The agent failed without a message.'} {step}", code)


# By status: the class of the error, the sentence before the server's message, and the next step.
_REFUSALS: Mapping[int, tuple[type[RefusedError], str, str]] = {
    401: (NotSignedInError, "The API does not accept the token", "sign in again; it requires the ID token."),
    403: (BlockedError, "The request was blocked before it reached the agent", "run `doctor` to see by what."),
    409: (ConflictError, "The session is being started or stopped", "ask again in a moment."),
    413: (BlockedError, "The request is too large and was blocked", "ask for less at a time."),
    424: (RefusedError, "The agent failed to start or to answer", "look at the runtime's log."),
    429: (ThrottledError, "The API throttles requests", "wait a little and ask again."),
    504: (RefusedError, "The agent did not start to answer in time", "look at the runtime's log."),
}

# By the gateway response's type, which is more specific than the status (infra/gateway_responses.py puts it into the
# body).
_TYPES: Mapping[str, tuple[type[RefusedError], str, str]] = {
    "INVALID_API_KEY": (
        ApiKeyError,
        "The API requires a team's API key",
        "set AGENT_STREAM_API_KEY to your team's key, and ask the stack's operator if you have none.",
    ),
    "QUOTA_EXCEEDED": (
        RefusedError,  # not ThrottledError: a retry does not help
        "The team's requests for today are used up",
        "ask again tomorrow, or have requestsPerDay raised under api.teams.",
    ),
}


def refusal(status: int, message: str, *, token_fault: str = "", kind: str = "") -> RefusedError:
    """The error for a status that is not 200.

    Args:
        status: the HTTP status.
        message: the server's message; may be empty.
        token_fault: what is wrong with the token that was sent, from `client.account.token_fault`; may be empty.
        kind: the gateway response's type; empty if the body has none.
    """
    unknown = (RefusedError, f"The API responded with status {status}", "look at its access log.")
    error, what, step = _TYPES.get(kind) or _REFUSALS.get(status, unknown)
    if status == 401 and token_fault:
        error, step = WrongTokenError, token_fault
    said = f" ({quoted(message).rstrip('.')})" if message else ""
    return error(f"{what}{said}: {step}", status)
