"""What can go wrong in a run, in the words a caller may read.

AgentCore replaces any 4xx or 5xx of the agent by an opaque 424, so every failure travels as one
`RUN_ERROR` event with a code from this file. The text of an exception stays in the log; the caller gets
the fixed sentence below and a reference to find that log line.

    AgentError            raised on purpose, carries its code
      RefusalError        the run was not started: the caller has to change something
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

__all__ = ["AgentError", "Code", "RefusalError", "bad_request", "classify", "model_failures"]


class Code(StrEnum):
    """The `code` of a RUN_ERROR event. `docs/agent.md` tells how each is provoked and what to do."""

    INVALID_INPUT = "INVALID_INPUT"
    SESSION_FORBIDDEN = "SESSION_FORBIDDEN"
    SESSION_BUSY = "SESSION_BUSY"
    ORIGIN_FORBIDDEN = "ORIGIN_FORBIDDEN"
    MODEL_THROTTLED = "MODEL_THROTTLED"
    MODEL_UNAVAILABLE = "MODEL_UNAVAILABLE"
    MODEL_OUTPUT_INVALID = "MODEL_OUTPUT_INVALID"
    CONTEXT_TOO_LONG = "CONTEXT_TOO_LONG"
    TOOL_FAILED = "TOOL_FAILED"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    RUN_UNKNOWN = "RUN_UNKNOWN"
    EVENTS_GONE = "EVENTS_GONE"
    STOPPED = "STOPPED"
    MEDIA_URL_FORBIDDEN = "MEDIA_URL_FORBIDDEN"
    MEDIA_UNSUPPORTED = "MEDIA_UNSUPPORTED"
    INTERNAL = "INTERNAL"


_SENTENCES = {
    Code.INVALID_INPUT: "The request is not one this agent accepts.",
    Code.SESSION_FORBIDDEN: "This session belongs to another user; start a session of your own.",
    Code.SESSION_BUSY: "Too many requests are waiting in this session; wait for an answer to end.",
    Code.ORIGIN_FORBIDDEN: "This agent answers only requests that come through its API.",
    Code.MODEL_THROTTLED: "The model is receiving too many requests; try again in a minute.",
    Code.MODEL_UNAVAILABLE: "The model cannot be reached; try again later.",
    Code.MODEL_OUTPUT_INVALID: "The model's answer is empty or malformed; ask again.",
    Code.CONTEXT_TOO_LONG: "The conversation is too long for the model; start a new one or send less.",
    Code.TOOL_FAILED: "A tool that the agent needed has failed; try again later.",
    Code.RUN_TIMEOUT: "The answer took longer than a run may take; ask for less at a time.",
    Code.RUN_UNKNOWN: "There is no such run; ask for the thread's history, or ask the question again.",
    Code.EVENTS_GONE: "These events are not kept any more; ask for the thread's history.",
    Code.STOPPED: "The run was stopped.",
    Code.MEDIA_URL_FORBIDDEN: "Images and documents cannot be sent as this address; send their data.",
    Code.MEDIA_UNSUPPORTED: "The model takes no images or documents of this kind; send text, or another kind.",
    Code.INTERNAL: "The agent failed; try again, and report the reference if it happens again.",
}


class AgentError(Exception):
    """A failure whose code is known. Its text may be shown to the caller, so it must hold no secret."""

    def __init__(self, code: Code, message: str | None = None) -> None:
        # A file's name that is not UTF-8, for one, has lone surrogates in it, which no event can carry.
        self.message = str(message or _SENTENCES[code]).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        super().__init__(self.message)
        self.code = code


class RefusalError(AgentError):
    """A run that is not started."""


def bad_request(what: str) -> RefusalError:
    """Return the refusal of a request; `what` is wrong with it, in words that may be shown to its caller."""
    return RefusalError(Code.INVALID_INPUT, f"The request cannot be used: {what}.")


# Named by their class and package, so that neither boto3 nor httpx has to be imported to recognise them.
_THROTTLED = {"ThrottlingException", "ServiceQuotaExceededException", "RateLimitError"}
_UNREACHABLE_PACKAGES = {"botocore", "httpx", "urllib3", "ollama", "openai"}
# Strands' own, which it acts upon: it asks again, or drops the oldest messages. Only a model raises them.
_OF_STRANDS = {
    "ModelThrottledException": Code.MODEL_THROTTLED,
    "ContextWindowOverflowException": Code.CONTEXT_TOO_LONG,
}


@contextmanager
def model_failures() -> Iterator[None]:
    """Give what is raised inside, by a model's provider, the code of a failing model.

    The same exceptions raised elsewhere are the agent's own: its database may throttle and its web page may be down
    while the model is well. What Strands acts upon, and what is no failure of a service, passes unchanged.
    """
    try:
        yield
    except Exception as error:
        code = _service_code(error)
        if code is None:
            raise
        raise AgentError(code) from error


def classify(error: BaseException) -> AgentError:
    """Return the failure to report for `error`: the first with a code in it, else INTERNAL.

    Looks into exception groups, and through Strands' `EventLoopException`, which wraps what a model raised. Runs no
    code of the exception, and never copies a text from it.
    """
    pending, seen = [error], set[int]()
    while pending:
        error = pending.pop(0)
        if id(error) in seen:
            continue
        seen.add(id(error))
        if isinstance(error, AgentError):
            return error
        if code := _strands_code(error):
            return AgentError(code)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        inner = inspect.getattr_static(error, "original_exception", None)
        if isinstance(inner, BaseException):
            pending.append(inner)
    return AgentError(Code.INTERNAL)


def _strands_code(error: BaseException) -> Code | None:
    return next((_OF_STRANDS[cls.__name__] for cls in type(error).__mro__ if cls.__name__ in _OF_STRANDS), None)


def _service_code(error: Exception) -> Code | None:
    classes = type(error).__mro__
    if _THROTTLED & {cls.__name__ for cls in classes}:
        return Code.MODEL_THROTTLED
    packages = {cls.__module__.partition(".")[0] for cls in classes}
    if isinstance(error, ConnectionError) or packages & _UNREACHABLE_PACKAGES:
        return Code.MODEL_UNAVAILABLE
    return None
