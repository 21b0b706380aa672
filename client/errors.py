"""Everything that can go wrong between a user and an answer, by the layer that is at fault.

::

    ClientError
    ├── OutputsError          the stack's outputs cannot be read
    ├── SignInError           Cognito refuses the user
    ├── UnreachableError      no connection, or it broke before an answer
    ├── RefusedError          the gateway or the firewall refuses the request (has ``status``)
    │   ├── NotSignedInError  401: no token, an expired one, or the wrong kind
    │   ├── BlockedError      403, 413: the firewall or a policy
    │   └── ThrottledError    429
    ├── CutError              the stream ended without its last event
    └── AgentError            the agent says that it failed (has ``code``)

Every message is a sentence or two: what happened, and what to do.
"""

from __future__ import annotations

__all__ = [
    "AgentError",
    "BlockedError",
    "ClientError",
    "CutError",
    "NotSignedInError",
    "OutputsError",
    "RefusedError",
    "SignInError",
    "ThrottledError",
    "UnreachableError",
    "refusal",
]


class ClientError(Exception):
    """Anything that this client can name."""


class OutputsError(ClientError):
    """The stack's outputs cannot be had."""


class SignInError(ClientError):
    """Cognito does not let the user in."""


class UnreachableError(ClientError):
    """The API cannot be reached."""


class RefusedError(ClientError):
    """The request was refused before it reached the agent.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotSignedInError(RefusedError):
    """The token is missing, expired or of the wrong kind."""


class BlockedError(RefusedError):
    """The firewall, or a policy, refuses the request."""


class ThrottledError(RefusedError):
    """Too many requests."""


class CutError(ClientError):
    """The stream ended before the run did."""


class AgentError(ClientError):
    """The run failed.

    Attributes:
        code: one of the documented codes of ``RUN_ERROR``.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def refusal(status: int, message: str) -> RefusedError:
    """The error for a status that is not 200, with what the server said of it."""
    said = f" ({message})" if message else ""
    if status == 401:
        return NotSignedInError(f"The API does not accept the token{said}: sign in again; it takes the ID token.", 401)
    if status == 429:
        return ThrottledError(f"The API takes no more requests for now{said}: wait a little and ask again.", 429)
    if status in (403, 413):
        return BlockedError(f"The request was blocked before it reached the agent{said}.", status)
    if status == 504:
        return RefusedError(f"The agent did not begin to answer in time{said}: look at the runtime's log.", status)
    return RefusedError(f"The API answered {status}{said}: look at its access log.", status)
