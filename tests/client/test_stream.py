"""What a server does, and what the client makes of it: words, errors by layer, and when it asks again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

import client
import client.errors
from client import exchange
from client.connection import API_KEY_VARIABLE, api_key, connect
from client.conversation import Conversation
from client.errors import (
    AgentError,
    ApiKeyError,
    BlockedError,
    ClientError,
    ConflictError,
    CutError,
    NotSignedInError,
    OutputsError,
    ProtocolError,
    RefusedError,
    ThrottledError,
    UnreachableError,
    UsageError,
    WrongTokenError,
    refusal,
)
from client.exchange import Arrival, Exchange, ask
from client.following import Position, RunReader
from client.outputs import Outputs
from client.recording import Limits
from client.request import Request, encoded, question
from client.retry import NEVER, Policy
from client.signin import Tokens
from client.store import TokenStore
from local import ROOT
from local.processes.ports import any_port
from tests import loopback
from tests.client import scripted_server as scripted
from tests.client.scripted_server import CHUNKED, HANG, STREAM, answering, chunk, event, word
from tests.e2e.conftest import PATIENCE

WHOLE = [STREAM, event("RUN_STARTED"), word("Hi"), word(" you"), event("RUN_FINISHED")]
QUICK = Policy(attempts=3, first=0.01, longest=0.02)


def words(url: str, *, limits: Limits | None = None, policy: Policy = NEVER, token_fault: str = "") -> str:
    async def collect() -> str:
        async with loopback.AsyncClient() as http, aclosing(followed(http, url, policy)) as arrivals:
            return "".join([arrival.text async for arrival in arrivals])

    def followed(http: httpx.AsyncClient, url: str, policy: Policy) -> AsyncGenerator[Arrival, None]:
        async def connect(body: Mapping[str, Any]) -> Exchange:
            return Exchange(http, Request(url, "token", encoded(body), "s" * 36), token_fault=token_fault)

        return RunReader(connect, question("Hello", "s" * 36, "r"), Position("r"), policy, limits=limits).arrivals()

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
    cut = [CHUNKED, chunk(word("Hi")), 2.0 if limit else 0.0]  # long after the limit, however late the word is read
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
    ],
)
def test_what_an_agent_that_numbers_no_events_has_begun_is_not_asked_again(broken: list[bytes]) -> None:
    with answering(broken, WHOLE) as server, pytest.raises(ClientError):
        words(server.url, policy=QUICK)
    assert len(server.requests) == 1


def test_a_question_that_may_have_arrived_is_asked_again_as_the_same_run() -> None:
    with answering([], [CHUNKED], WHOLE) as server:
        assert words(server.url, policy=QUICK) == "Hi you"
    bodies = [json.loads(request.split(b"\r\n\r\n", 1)[1]) for request in server.requests]
    assert bodies == [bodies[0]] * 3
    assert bodies[0]["runId"] == "r"


def test_a_connection_that_is_refused_is_tried_again() -> None:
    with pytest.raises(UnreachableError):
        words(f"http://127.0.0.1:{any_port()}/", policy=QUICK)


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

        asyncio.run(leave())
        assert server.left.wait(PATIENCE), "the server still has its reader"


def test_the_teams_key_comes_from_the_environment_or_the_outputs(
    outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(API_KEY_VARIABLE, raising=False)
    assert api_key(outputs) == ""
    masked = outputs.model_copy(update={"api_keys": {"a": SecretStr("[secret]"), "b": SecretStr("key-b")}})
    assert api_key(masked) == "key-b"
    assert "key-b" not in repr(masked)
    monkeypatch.setenv(API_KEY_VARIABLE, "mine")
    assert api_key(masked) == "mine"
    monkeypatch.setenv(API_KEY_VARIABLE, "my\nkey")
    with pytest.raises(UsageError, match=API_KEY_VARIABLE):
        connect(masked)


def test_the_teams_key_goes_to_the_api_and_to_nobody_else(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, "team-key")

    async def ask_both(api: str, keys: str) -> None:
        async with connect(outputs.model_copy(update={"invoke_url": api})) as http:
            async for _ in ask(api, "token", "Hello", http=http):
                pass
            await http.get(keys)

    with answering(WHOLE) as api, answering([scripted.refusal(404)]) as pool:
        asyncio.run(ask_both(api.url, pool.url))
    assert b"team-key" in api.requests[0]
    assert b"team-key" not in pool.requests[0]


def test_a_missing_key_is_not_taken_for_the_firewall() -> None:
    refused = scripted.refusal(403, "A valid API key is needed: X-API-Key.", type="INVALID_API_KEY")
    with answering([refused]) as server, pytest.raises(ApiKeyError, match=API_KEY_VARIABLE):
        words(server.url)


def test_a_quota_that_is_used_up_is_not_asked_again() -> None:
    with answering([scripted.refusal(429, type="QUOTA_EXCEEDED")], WHOLE) as server, pytest.raises(RefusedError):
        words(server.url, policy=QUICK)
    assert len(server.requests) == 1


def test_an_unusable_proxy_is_explained(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "gopher://127.0.0.1:70")
    connect(outputs)  # a local run's client takes none
    with pytest.raises(UsageError, match="https_proxy"):
        connect(outputs.model_copy(update={"endpoint_url": None}))


def heard(body: bytes, content_type: str = "text/event-stream", **headers: str) -> str:
    """The words of an answer that comes in one piece, without a socket."""
    answer = httpx.Response(200, headers={"content-type": content_type, **headers}, stream=OnePiece(body))

    async def collect() -> str:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _request: answer)) as http:
            return "".join([arrival.text async for arrival in ask("https://api", "token", "Hello", http=http)])

    return asyncio.run(collect())


class OnePiece(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


@pytest.mark.parametrize(
    "data",
    [
        "5",
        "[1]",
        "null",
        "not JSON",
        "{}",
        '{"type":5}',
        '{"type":"TEXT_MESSAGE_CONTENT"}',
        '{"type":"TEXT_MESSAGE_CONTENT","delta":null}',
        pytest.param("[" * 200_000, id="deep"),
    ],
)
def test_what_is_no_event_is_told_with_a_next_step(data: str) -> None:
    with pytest.raises(ProtocolError, match=r"not a stream of AG-UI events .*: check"):
        heard(f"data: {data}\n\n".encode() + event("RUN_FINISHED"))


@pytest.mark.parametrize("content_type", ["application/json", "text/html; charset=utf-8", ""])
def test_an_answer_of_another_kind_is_no_cut(content_type: str) -> None:
    with pytest.raises(ProtocolError, match="content type") as raised:
        heard(b"{}", content_type)
    assert content_type in str(raised.value)


def test_a_broken_compression_is_explained() -> None:
    with pytest.raises(ProtocolError, match="compressed"):
        heard(b"not gzip", **{"content-encoding": "gzip"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["TEXT_MESSAGE_CONTENT", "RUN_ERROR"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "delta", "code", "message"]), inner),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(
    body=st.binary()
    | st.lists(JSON, min_size=1).map(lambda all_: "".join(f"data: {json.dumps(one)}\n\n" for one in all_).encode())
)
def test_whatever_comes_is_words_or_one_of_our_errors(body: bytes) -> None:
    with contextlib.suppress(ClientError):
        assert isinstance(heard(body), str)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param([chunk(event("CUSTOM", name="x", value=1)), b"0\r\n\r\n"], id="a further event"),
        pytest.param([], id="no last chunk"),
    ],
)
def test_a_run_that_is_over_is_not_cut(end: list[bytes]) -> None:
    with answering([CHUNKED, chunk(word("Hi")), chunk(event("RUN_FINISHED")), *end]) as server:
        assert words(server.url) == "Hi"


def test_heartbeats_break_the_silence() -> None:
    beats = [part for _ in range(40) for part in (0.05, chunk(b": keep-alive\n"))]
    with answering([CHUNKED, chunk(word("Hi")), *beats]) as server, pytest.raises(CutError) as raised:
        words(server.url, limits=Limits(1.5, 900))  # less than all of it took
    assert raised.value.limit is None


@pytest.mark.parametrize("kind", [httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.ConnectError])
def test_what_never_left_is_asked_again(kind: type[httpx.TransportError]) -> None:
    assert failing_with(kind("")) == (False, True)


@pytest.mark.parametrize("kind", [httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadTimeout])
def test_what_may_have_left_is_not(kind: type[httpx.TransportError]) -> None:
    assert failing_with(kind("")) == (True, True)


def failing_with(error: httpx.TransportError) -> tuple[bool, bool]:
    """Whether a failure counts as sent, and whether the message names it."""

    def fail(_request: httpx.Request) -> httpx.Response:
        raise error

    async def run() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(fail)) as http:
            async for _ in ask("https://api", "token", "Hello", http=http):
                pass

    with pytest.raises(UnreachableError) as raised:
        asyncio.run(run())
    return raised.value.sent, type(error).__name__ in str(raised.value)


@pytest.mark.parametrize("url", ["nowhere://api", "http://a:port/"])
def test_an_address_that_is_none_is_the_outputs_fault(url: str) -> None:
    with pytest.raises(OutputsError, match="invokeUrl"):
        words(url, policy=QUICK)


def test_what_a_server_says_cannot_drive_the_terminal() -> None:
    wicked = "bad\x1b]0;pwn\x07\x1b[2J\n\u202e"
    failed = [STREAM, event("RUN_ERROR", code=f"X{wicked}", message=wicked)]
    with answering([scripted.refusal(403, wicked)], failed) as server:
        for _ in range(2):
            with pytest.raises(ClientError, match="bad") as raised:
                words(server.url)
            assert str(raised.value).isprintable()


def test_a_question_in_another_encoding_is_asked_as_far_as_it_can_be_read() -> None:
    assert question("caf\udce9", "s")["messages"][0]["content"] == "caf?"


@pytest.mark.parametrize(
    "session_id", ["short", "x" * 257, "with a space " * 3, "with\na line " * 3, "é" * 40, "!" * 40, "-" * 40]
)
def test_a_session_id_that_the_agent_would_not_take_is_refused(session_id: str, outputs: Outputs) -> None:
    with pytest.raises(UsageError, match="33 to 256"):
        Conversation(outputs, session_id=session_id)


def test_the_library_is_loaded_when_it_is_used(outputs: Outputs) -> None:
    code = "import client, client.__main__, sys; print({'httpx', 'typer', 'pydantic'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"
    assert all(getattr(client, name) is not None for name in client.__all__)
    with pytest.raises(AttributeError):
        client.no_such_name  # noqa: B018 - looking it up is the test


def test_five_lines_are_a_client(outputs: Outputs) -> None:
    async def talk() -> str:
        async with client.Conversation(outputs) as conversation:
            return "".join([arrival.text async for arrival in conversation.ask("Hello [words=3 pause=0.01]")])

    assert asyncio.run(talk()) == "You asked: “Hello”"


@pytest.mark.parametrize("rest", [[HANG], [b"x" * 200_000, HANG]])
def test_a_refusal_whose_body_never_ends_is_told_all_the_same(rest: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "REFUSAL_SECONDS", 0.2)
    endless = [b"HTTP/1.1 503 X\r\ncontent-length: 1000000\r\n\r\n", *rest]
    with answering(endless) as server, pytest.raises(RefusedError) as refused:
        asyncio.run(asyncio.wait_for(events_of(server.url), 10))
    assert refused.value.status == 503


def test_a_server_that_keeps_the_connection_open_keeps_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "LINGER_SECONDS", 0.2)
    with answering([STREAM, word("all"), event("RUN_FINISHED"), HANG]) as server:
        arrivals = asyncio.run(asyncio.wait_for(events_of(server.url), 10))
    assert [arrival.text for arrival in arrivals] == ["all", ""]


def test_what_breaks_a_connection_is_not_recited() -> None:
    long = [b"HTTP/1.1 200 OK\r\n" + b"x" * 90_000 + b"\r\n\r\n"]
    with answering(long) as server, pytest.raises(UnreachableError) as unreachable:
        asyncio.run(events_of(server.url))
    assert len(str(unreachable.value)) < 1000


@pytest.mark.parametrize("url", ["https://API.example:443/dev/invocations", "http://Localhost:80/dev/invocations"])
def test_the_teams_key_goes_to_the_api_however_its_address_is_written(
    url: str, outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_STREAM_API_KEY", "key-1")

    async def sent() -> str:
        async with connect(outputs.model_copy(update={"invoke_url": url})) as http:
            request = http.build_request("POST", url)
            for hook in http.event_hooks["request"]:
                await hook(request)
            return str(request.headers.get("x-api-key"))

    assert asyncio.run(sent()) == "key-1"


@pytest.mark.parametrize("url", ["https://[abc/invocations", "https://x.example:port/", "https://"])
def test_a_conversation_without_an_address_ends_in_one_of_our_errors(
    url: str, outputs: Outputs, tmp_path: Path, tokens: Tokens
) -> None:
    async def talk() -> None:
        broken = outputs.model_copy(update={"invoke_url": url, "folder": tmp_path})
        TokenStore(broken).save(tokens)
        async with Conversation(broken, policy=NEVER) as conversation:
            async for _ in conversation.ask("Hello"):
                pass

    with pytest.raises(ClientError):
        asyncio.run(talk())


async def events_of(url: str) -> list[Arrival]:
    return [arrival async for arrival in ask(url, "token", "Hello")]
