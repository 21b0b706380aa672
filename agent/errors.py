"""What can go wrong in a run, in the words a caller may read.

AgentCore replaces any 4xx or 5xx of the agent by an opaque 424, so every failure travels as one
`RUN_ERROR` event with a code from this file. The text of an exception stays in the log; the caller gets
the fixed sentence below and a reference to find that log line.

    AgentError            raised on purpose, carries its code
      RefusalError        the run was not started: the caller has to change something
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["AgentError", "Code", "RefusalError", "classify"]


class Code(StrEnum):
    """The `code` of a RUN_ERROR event. `docs/agent.md` tells how each is provoked and what to do."""

    INVALID_INPUT = "INVALID_INPUT"
    SESSION_FORBIDDEN = "SESSION_FORBIDDEN"
    SESSION_BUSY = "SESSION_BUSY"
    ORIGIN_FORBIDDEN = "ORIGIN_FORBIDDEN"
    MODEL_THROTTLED = "MODEL_THROTTLED"
    MODEL_UNAVAILABLE = "MODEL_UNAVAILABLE"
    CONTEXT_TOO_LONG = "CONTEXT_TOO_LONG"
    TOOL_FAILED = "TOOL_FAILED"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    INTERNAL = "INTERNAL"


_SENTENCES = {
    Code.INVALID_INPUT: "The request is not one this agent accepts.",
    Code.SESSION_FORBIDDEN: "This session belongs to another user; start a session of your own.",
    Code.SESSION_BUSY: "Too many requests are waiting in this session; wait for an answer to end.",
    Code.ORIGIN_FORBIDDEN: "This agent answers only requests that come through its API.",
    Code.MODEL_THROTTLED: "The model is receiving too many requests; try again in a minute.",
    Code.MODEL_UNAVAILABLE: "The model cannot be reached; try again later.",
    Code.CONTEXT_TOO_LONG: "The conversation is too long for the model; start a new one or send less.",
    Code.TOOL_FAILED: "A tool that the agent needed has failed; try again later.",
    Code.RUN_TIMEOUT: "The answer took longer than a run may take; ask for less at a time.",
    Code.INTERNAL: "The agent failed; try again, and report the reference if it happens again.",
}


class AgentError(Exception):
    """A failure whose code is known. Its text may be shown to the caller, so it must hold no secret."""

    def __init__(self, code: Code, message: str | None = None) -> None:
        super().__init__(message or _SENTENCES[code])
        self.code = code
        self.message = message or _SENTENCES[code]


class RefusalError(AgentError):
    """A run that is not started."""


# Named by their class and package, so that neither boto3 nor httpx has to be imported to recognise them.
_THROTTLED = {"ModelThrottledException", "ThrottlingException", "ServiceQuotaExceededException"}
_TOO_LONG = {"ContextWindowOverflowException"}
_UNREACHABLE_PACKAGES = ("botocore", "httpx", "urllib3", "ollama")


def classify(error: BaseException) -> AgentError:
    """Return the failure to report for `error`: itself when its code is known, else one by its type.

    Looks through Strands' `EventLoopException`, which wraps what a model raised. Never copies a text
    from the exception.
    """
    inner = getattr(error, "original_exception", None)
    if isinstance(inner, BaseException):
        return classify(inner)
    if isinstance(error, AgentError):
        return error
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & _THROTTLED:
        return AgentError(Code.MODEL_THROTTLED)
    if names & _TOO_LONG:
        return AgentError(Code.CONTEXT_TOO_LONG)
    packages = {cls.__module__.partition(".")[0] for cls in type(error).__mro__}
    if isinstance(error, ConnectionError) or packages & set(_UNREACHABLE_PACKAGES):
        return AgentError(Code.MODEL_UNAVAILABLE)
    return AgentError(Code.INTERNAL)
