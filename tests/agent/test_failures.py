"""A failure has its code wherever it hides, and only the model's own are called the model's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from strands.types.exceptions import ContextWindowOverflowException, EventLoopException, ModelThrottledException

from agent.errors import AgentError, Code, RefusalError, classify, model_failures
from tests.agent.support import Serve

pytestmark = pytest.mark.anyio


class ThrottlingException(ClientError):  # noqa: N818 - as botocore names those of a service
    """What a table that is asked too often raises."""


class Proxy(Exception):  # noqa: N818
    """An exception whose attributes are code."""

    @property
    def original_exception(self) -> BaseException:
        raise RuntimeError("ran the exception's code")


def itself() -> Exception:
    error = EventLoopException(RuntimeError())
    error.original_exception = error
    return error


def circle() -> Exception:
    outer = EventLoopException(RuntimeError())
    outer.original_exception = EventLoopException(outer)
    return outer


THROTTLED = AgentError(Code.MODEL_THROTTLED)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (THROTTLED, Code.MODEL_THROTTLED),
        (EventLoopException(EventLoopException(THROTTLED)), Code.MODEL_THROTTLED),
        (ExceptionGroup("", [ValueError(), ExceptionGroup("", [EventLoopException(THROTTLED)])]), Code.MODEL_THROTTLED),
        (EventLoopException(ExceptionGroup("", [THROTTLED])), Code.MODEL_THROTTLED),
        (ModelThrottledException(""), Code.MODEL_THROTTLED),
        (ContextWindowOverflowException(""), Code.CONTEXT_TOO_LONG),
        (RuntimeError(), Code.INTERNAL),
        (ExceptionGroup("", [RuntimeError()]), Code.INTERNAL),
        (itself(), Code.INTERNAL),
        (circle(), Code.INTERNAL),
        (Proxy(), Code.INTERNAL),
    ],
    ids=repr,
)
def test_a_code_is_found_wherever_it_hides(error: BaseException, code: Code) -> None:
    assert classify(error).code == code


OF_A_SERVICE = {
    "a page that is down": httpx.ConnectError("no"),
    "a database that went away": ConnectionResetError("my database went away"),
    "a bucket out of reach": EndpointConnectionError(endpoint_url="https://s3.example"),
    "a table asked too often": ThrottlingException({}, "PutItem"),
}


@pytest.mark.parametrize("error", OF_A_SERVICE.values(), ids=OF_A_SERVICE)
async def test_a_service_that_the_agent_uses_is_not_called_the_model(serve: Serve, error: Exception) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        yield "word"
        raise error

    assert (await serve(build).ask("Hi")).code == "INTERNAL"


@pytest.mark.parametrize("error", OF_A_SERVICE.values(), ids=OF_A_SERVICE)
def test_the_same_raised_by_the_models_provider_is_the_models(error: Exception) -> None:
    with pytest.raises(AgentError) as caught, model_failures():
        raise error
    throttled = isinstance(error, ThrottlingException)
    assert caught.value.code == (Code.MODEL_THROTTLED if throttled else Code.MODEL_UNAVAILABLE)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        ModelThrottledException(""),
        ContextWindowOverflowException(""),
        RuntimeError(),
        RefusalError(Code.INVALID_INPUT),
        asyncio.CancelledError(),
    ],
    ids=repr,
)
def test_what_strands_acts_upon_and_what_is_no_services_failure_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, model_failures():
        raise error
    assert caught.value is error


async def test_a_model_that_fails_in_a_task_group_is_told_as_one_that_fails_alone(serve: Serve) -> None:
    async def build(run: Any, model: Any, history: Any) -> AsyncIterator[str]:
        async def ask() -> None:
            async for _ in model.stream([{"role": "user", "content": [{"text": run.prompt}]}]):
                pass

        yield "word"
        async with asyncio.TaskGroup() as group:
            group.create_task(ask())

    server = serve(build)
    for kind, code in (("throttled", "MODEL_THROTTLED"), ("unavailable", "MODEL_UNAVAILABLE")):
        assert (await server.ask(f"[fail={kind}]")).code == code
