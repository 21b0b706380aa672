"""What a server does, and what the client makes of it: words, errors by layer, and when it asks again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest
from pydantic import SecretStr

import client.errors
from client.connection import API_KEY_VARIABLE, api_key, connect
from client.errors import (
    AgentError,
    BlockedError,
    ClientError,
    ConflictError,
    CutError,
    NotSignedInError,
    RefusedError,
    ThrottledError,
    UnreachableError,
    WrongTokenError,
    refusal,
)
from client.outputs import Outputs
from client.retry import NEVER, Policy, retrying
from client.stream import Arrival, Limits, ask
from local.network import any_port
from tests.client import scripted_server as scripted
from tests.client.scripted_server import CHUNKED, HANG, STREAM, answering, chunk, event, word

WHOLE = [STREAM, event("RUN_STARTED"), word("Hi"), word(" you"), event("RUN_FINISHED")]
QUICK = Policy(attempts=3, first=0.01, longest=0.02)


def words(url: str, *, limits: Limits | None = None, policy: Policy = NEVER, token_fault: str = "") -> str:
    def start() -> AsyncGenerator[Arrival, None]:
        return ask(url, "token", "Hello", limits=limits, token_fault=token_fault)

    async def collect() -> str:
        async with aclosing(retrying(start, policy)) as arrivals:
            return "".join([arrival.text async for arrival in arrivals])

    return asyncio.run(collect())


def test_every_error_is_public_and_in_the_tree() -> None:
    classes = [value for value in vars(client.errors).values() if isinstance(value, type)]
    errors = {one.__name__ for one in classes if issubclass(one, ClientError)}
    assert errors <= set(client.errors.__all__)
    tree = client.errors.__doc__ or ""
    assert [name for name in errors if name not in tree] == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, NotSignedInError),
        (403, BlockedError),
        (409, ConflictError),
        (413, BlockedError),
        (424, RefusedError),
        (429, ThrottledError),
        (500, RefusedError),
        (504, RefusedError),
    ],
)
def test_each_status_has_its_error_and_a_next_step(status: int, kind: type[RefusedError]) -> None:
    with answering([scripted.refusal(status, "the server's words")]) as server, pytest.raises(kind) as raised:
        words(server.url)
    assert type(raised.value) is kind
    assert raised.value.status == status
    assert "the server's words" in str(raised.value)


def test_a_token_that_is_of_the_wrong_kind_is_told_from_one_that_is_missing() -> None:
    with answering([scripted.refusal(401)]) as server, pytest.raises(WrongTokenError, match="access token"):
        words(server.url, token_fault="it is an access token, and the API takes the ID token.")
    assert type(refusal(401, "")) is NotSignedInError


def test_the_answer_is_whole() -> None:
    with answering(WHOLE) as server:
        assert words(server.url) == "Hi you"
    request = server.requests[0]
    assert b'"threadId"' in request
    session = request.lower().split(b"session-id: ")[1].split(b"\r\n")[0]
    assert b'"threadid":"' + session in request.lower().replace(b": ", b":")


def test_a_line_separator_within_a_word_does_not_end_a_line() -> None:
    text = "a\u2028b\u0085c"
    data = f'data: {{"type":"TEXT_MESSAGE_CONTENT","delta":"{text}"}}\n\n'.encode()
    with answering([STREAM, data, event("RUN_FINISHED")]) as server:
        assert words(server.url) == text


def test_an_error_of_the_agent_has_its_code_and_a_next_step() -> None:
    failed = [STREAM, word("Hi"), event("RUN_ERROR", code="MODEL_THROTTLED", message="Busy.")]
    with answering(failed) as server, pytest.raises(AgentError, match="quota") as raised:
        words(server.url)
    assert raised.value.code == "MODEL_THROTTLED"


@pytest.mark.parametrize(
    ("limits", "limit"),
    [(Limits(0.3, 900), "idle"), (Limits(300, 0.3), "total"), (Limits(300, 900), None), (None, None)],
)
def test_a_cut_names_the_limit_that_was_reached(limits: Limits | None, limit: str | None) -> None:
    # A chunked body without its last chunk, as API Gateway leaves it.
    cut = [CHUNKED, chunk(word("Hi")), 0.4]
    with answering(cut) as server, pytest.raises(CutError) as raised:
        words(server.url, limits=limits)
    assert raised.value.limit == limit


def test_a_stream_that_ends_without_its_last_event_is_cut() -> None:
    with answering([STREAM, word("Hi")]) as server, pytest.raises(CutError):
        words(server.url)


def test_a_closed_port_is_not_reachable() -> None:
    with pytest.raises(UnreachableError) as raised:
        words(f"http://127.0.0.1:{any_port()}/")
    assert not raised.value.sent


@pytest.mark.parametrize("status", [429, 409])
def test_a_refusal_that_will_pass_is_asked_again(status: int) -> None:
    with answering([scripted.refusal(status)], [scripted.refusal(status)], WHOLE) as server:
        assert words(server.url, policy=QUICK) == "Hi you"
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 413, 424, 500, 504])
def test_a_refusal_that_stays_is_not_asked_again(status: int) -> None:
    with answering([scripted.refusal(status)], WHOLE) as server, pytest.raises(RefusedError):
        words(server.url, policy=QUICK)
    assert len(server.requests) == 1


def test_the_last_refusal_is_told() -> None:
    with answering(*[[scripted.refusal(429)]] * 5) as server, pytest.raises(ThrottledError):
        words(server.url, policy=QUICK)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param([CHUNKED, chunk(word("Hi"))], id="after words"),
        pytest.param([CHUNKED, chunk(event("RUN_STARTED"))], id="after the first event"),
        pytest.param([STREAM, event("RUN_ERROR", code="MODEL_THROTTLED", message="Busy.")], id="the agent's error"),
        pytest.param([], id="after the request was sent"),
    ],
)
def test_what_may_have_reached_the_agent_is_not_asked_again(broken: list[bytes]) -> None:
    with answering(broken, WHOLE) as server, pytest.raises(ClientError):
        words(server.url, policy=QUICK)
    assert len(server.requests) == 1


def test_a_connection_that_is_refused_is_tried_again() -> None:
    pauses: list[float] = []
    url = f"http://127.0.0.1:{any_port()}/"

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> None:
        async for _ in retrying(lambda: ask(url, "token", "Hello"), Policy(attempts=4), sleep=sleep):
            pass

    with pytest.raises(UnreachableError):
        asyncio.run(run())
    assert len(pauses) == 3


def test_pauses_grow_and_are_bounded_and_differ() -> None:
    policy = Policy(first=1, longest=4)
    bounds: list[Callable[[float], bool]] = [lambda x: x <= 1, lambda x: x <= 2, lambda x: x <= 4, lambda x: x <= 4]
    for attempt, within in enumerate(bounds, 1):
        drawn = [policy.pause(attempt) for _ in range(50)]
        assert all(pause > 0 and within(pause) for pause in drawn)
        assert len(set(drawn)) > 1


def test_leaving_closes_the_connection() -> None:
    with answering([STREAM, word("Hi"), HANG]) as server:

        async def leave() -> None:
            async with aclosing(ask(server.url, "token", "Hello")) as arrivals:
                async for arrival in arrivals:
                    if arrival.text:
                        return

        started = time.monotonic()
        asyncio.run(leave())
        assert time.monotonic() - started < 5


def test_the_teams_key_comes_from_the_environment_or_the_outputs(
    outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(API_KEY_VARIABLE, raising=False)
    assert api_key(outputs) == ""
    masked = outputs.model_copy(update={"api_keys": {"a": SecretStr("[secret]"), "b": SecretStr("key-b")}})
    assert api_key(masked) == "key-b"
    assert "key-b" not in repr(masked)
    monkeypatch.setenv(API_KEY_VARIABLE, "mine")
    assert connect(masked).headers["x-api-key"] == "mine"
