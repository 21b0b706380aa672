"""The rules of an event stream, each with the case that a browser has to pass too.

Modelled on the web-platform tests of EventSource (https://github.com/web-platform-tests/wpt/tree/master/eventsource),
with texts of our own.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.errors import ProtocolError
from client.event_stream import Comment, Decoder, EventTooLongError, Message
from client.exchange import ask
from tests.client.scripted_server import answering, event, word

CASES: dict[str, tuple[bytes, list[str]]] = {
    "one event": (b"data: a\n\n", ["a"]),
    "several lines of data": (b"data: a\ndata: b\ndata\ndata: c\n\n", ["a\nb\n\nc"]),
    "an event without a blank line after it": (b"data: a\n\ndata: lost\n", ["a"]),
    "an event without a line end after it": (b"data: a\n\ndata: lost", ["a"]),
    "no data": (b"event: x\nid: 1\n\n:comment\n\n", []),
    "empty data": (b"data\n\ndata:\n\n", ["", ""]),
    "two empty lines of data": (b"data\ndata\n\n", ["\n"]),
    "one space after the colon is not data": (b"data: a\ndata:b\ndata:  c\n\n", ["a\nb\n c"]),
    "a tab after the colon is data": (b"data:\ta\n\n", ["\ta"]),
    "colons in data": (b"data:a:b:c\n\n", ["a:b:c"]),
    "CR LF ends a line": (b"data: a\r\ndata: b\r\n\r\n", ["a\nb"]),
    "CR alone ends a line": (b"data: a\rdata: b\r\r", ["a\nb"]),
    "line ends are mixed": (b"data: a\r\rdata: b\n\r\ndata: c\r\n\n", ["a", "b", "c"]),
    "LF CR is two line ends": (b"data: a\n\rdata: b\n\n", ["a", "b"]),
    "a byte-order mark at the beginning": (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
    "a second byte-order mark is a field's": (b"\xef\xbb\xbf\xef\xbb\xbfdata: no\n\ndata: a\n\n", ["a"]),
    "a byte-order mark later on": (b"data: a\n\n\xef\xbb\xbfdata: no\n\ndata: b\n\n", ["a", "b"]),
    "half a byte-order mark": (b"\xef\xbbdata: no\n\ndata: a\n\n", ["a"]),
    "field names have case": (b"DATA: no\nData: no\n data: no\ndata : no\ndata: a\n\n", ["a"]),
    "fields that nobody knows": (b"data: a\nfoo: b\nretry: 10\nretry: x\ndatas: c\n\n", ["a"]),
    "comments anywhere": (b":\n:x\ndata: a\n: y: z\ndata: b\n:\n\n", ["a\nb"]),
    "other line ends of Unicode are data": (
        "data: a\u2028b\u2029c\x85d\x0be\x0cf\n\n".encode(),
        ["a\u2028b\u2029c\x85d\x0be\x0cf"],
    ),
    "a NUL is data": (b"data: a\0b\n\n", ["a\0b"]),
    "bytes that are no UTF-8": (b"data: a\xffb\xc3\n\n", ["a\ufffdb\ufffd"]),
    "UTF-8 of four bytes": ("data: 🙂ü\n\n".encode(), ["🙂ü"]),
}


def decoded(*chunks: bytes) -> list[Message | Comment]:
    decoder = Decoder()
    return [one for chunk in chunks for one in decoder.feed(chunk)]


def data_of(found: list[Message | Comment]) -> list[str]:
    return [one.data for one in found if isinstance(one, Message)]


@pytest.mark.parametrize("name", CASES)
def test_the_standards_rule(name: str) -> None:
    stream, wanted = CASES[name]
    assert data_of(decoded(stream)) == wanted


@pytest.mark.parametrize("name", CASES)
def test_it_does_not_matter_where_the_network_cuts(name: str) -> None:
    stream, wanted = CASES[name]
    assert data_of(decoded(*(bytes([byte]) for byte in stream))) == wanted
    for cut in range(len(stream)):
        assert data_of(decoded(stream[:cut], b"", stream[cut:])) == wanted


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_no_bytes_are_decoded_differently_in_pieces(stream: bytes, cuts: list[int]) -> None:
    ends = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(ends)]
    assert decoded(*pieces) == decoded(stream)


def test_an_event_has_the_id_of_its_own_lines_and_no_other() -> None:
    stream = b"id: r:1\ndata: a\n\ndata: b\n\nid: r:2\nid: r:3\ndata: c\n\nid\ndata: d\n\nid: x\0y\ndata: e\n\n"
    assert [one.id for one in decoded(stream) if isinstance(one, Message)] == ["r:1", None, "r:3", "", None]


def test_a_comment_is_told_when_its_line_is_whole() -> None:
    assert decoded(b": keep-al", b"ive\n") == [Comment()]


@pytest.mark.parametrize(
    "stream",
    [b"data: " + b"x" * 200, b"data: x\n" * 40, b": " + b"x" * 200, b"junk: " + b"x" * 60 + b"\n" + b"data: xx\n" * 40],
)
def test_a_line_or_an_event_without_an_end_is_given_up(stream: bytes) -> None:
    decoder = Decoder(longest=100)
    pieces = [stream[start : start + 7] for start in range(0, len(stream), 7)]
    with pytest.raises(EventTooLongError):
        [*itertools.chain.from_iterable(decoder.feed(piece) for piece in pieces)]


def test_many_events_and_heartbeats_do_not_add_up() -> None:
    decoder = Decoder(longest=100)
    assert len([*decoder.feed(b"data: x\n\n: beat\n" * 1000), *decoder.feed(b": beat\n\n" * 1000)]) == 3000


def heard(head: bytes, body: bytes = word("Hi") + event("RUN_FINISHED")) -> str:
    async def collect(url: str) -> str:
        return "".join([arrival.text async for arrival in ask(url, "token", "Hello")])

    with answering([b"HTTP/1.1 200 OK\r\n" + head + b"\r\nconnection: close\r\n\r\n", body]) as server:
        return asyncio.run(collect(server.url))


@pytest.mark.parametrize(
    "type_",
    [
        "text/event-stream",
        "TEXT/Event-Stream",
        "text/event-stream;charset=iso-8859-1",
        "text/event-stream ; x=y",
        "text/event-stream;",
    ],
)
def test_the_type_has_no_case_and_what_follows_it_changes_nothing(type_: str) -> None:
    text = "data: " + json.dumps({"type": "TEXT_MESSAGE_CONTENT", "delta": "ü"}, ensure_ascii=False) + "\n\n"
    assert heard(f"content-type: {type_}".encode(), text.encode() + event("RUN_FINISHED")) == "ü"


@pytest.mark.parametrize("type_", ["text/event-streams", "text/event-stream-x", "text/plain", "x-text/event-stream"])
def test_another_type_that_begins_alike_is_another_type(type_: str) -> None:
    with pytest.raises(ProtocolError, match="content type"):
        heard(f"content-type: {type_}".encode())


def test_nothing_is_unfolded_and_a_bomb_costs_no_memory() -> None:
    bomb = gzip.compress(b"data: " + b"x" * 100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="compressed"):
            heard(b"content-type: text/event-stream\r\ncontent-encoding: gzip", bomb)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 50_000_000


def test_a_line_without_an_end_is_an_error_and_not_the_end_of_the_memory() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="too long"):
            heard(b"content-type: text/event-stream", b"data: " + b"x" * 60_000_000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 200_000_000


def test_nobody_is_asked_to_compress() -> None:
    async def collect(url: str) -> list[str]:
        return [arrival.text async for arrival in ask(url, "token", "Hello")]

    with answering([b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", event("RUN_FINISHED")]) as server:
        asyncio.run(collect(server.url))
    assert b"\r\naccept-encoding: identity\r\n" in server.requests[0].lower()
