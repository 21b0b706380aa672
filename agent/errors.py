"""The failures of a run: their codes, and the messages that a caller gets.

AgentCore replaces any 4xx or 5xx of the agent with an opaque 424, so every failure is sent as a `RUN_ERROR` event with
a code from this file. The text of an exception stays in the log; the caller gets the fixed sentence below and a
reference that finds the log line.

    AgentError            a failure with a known code
      RefusalError        the run was not started: the caller has to change something
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

__all__ = ["AgentError", "Code", "RefusalError", "bad_request", "classify", "model_failures"]


class Code(StrEnum):
    """The `code` of a RUN_ERROR event. `docs/agent.md` lists the cause and the remedy of each."""

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
    """A failure with a known code. Its text is shown to the caller, so it must contain no secret."""

    def __init__(self, code: Code, message: str | None = None) -> None:
        # The message may contain lone surrogates, for example from a file name that is not UTF-8; JSON cannot.
        self.message = str(message or _SENTENCES[code]).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        super().__init__(self.message)
        self.code = code


class RefusalError(AgentError):
    """A run that is not started."""


def bad_request(what: str) -> RefusalError:
    """Return the refusal of a request; `what` says what is wrong with it, and is shown to the caller."""
    return RefusalError(Code.INVALID_INPUT, f"The request cannot be used: {what}.")


# Recognised by the names of class and package, so that neither boto3 nor httpx has to be imported.
_THROTTLED = {"ThrottlingException", "ServiceQuotaExceededException", "RateLimitError"}
_UNREACHABLE_PACKAGES = {"botocore", "httpx", "urllib3", "ollama", "openai"}
# Exceptions that Strands itself handles, by a retry or by dropping the oldest messages. Only a model raises them.
_OF_STRANDS = {
    "ModelThrottledException": Code.MODEL_THROTTLED,
    "ContextWindowOverflowException": Code.CONTEXT_TOO_LONG,
}


@contextmanager
def model_failures() -> Iterator[None]:
    """Turn exceptions of a model provider, raised in the block, into an AgentError with the matching MODEL_ code.

    To be used around model calls only: the same exceptions can come from the agent's own database or web requests.
    Exceptions that Strands itself handles, and those that are not a service's failure, pass unchanged.
    """
    try:
        yield
    except Exception as error:
        code = _service_code(error)
        if code is None:
            raise
        raise AgentError(code) from error


def classify(error: BaseException) -> AgentError:
    """Return the failure to report for `error`: the first AgentError found in it, else INTERNAL.

    Looks into exception groups, and into Strands' `EventLoopException`, which wraps a model's exception. Runs no code
    of the exception and copies no text from it.
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
