"""`stop` ends a run at once, whatever it is waiting for, and a session is who its mode says it is."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from strands import tool

from tests import loopback
from tests.agent.support import (
    DEADLINE,
    SESSION,
    Serve,
    Server,
    having,
    new_session,
    question,
    token,
    until,
)

pytestmark = pytest.mark.anyio

LASTING: dict[str, Any] = {"detached_seconds": 300}


async def stop(server: Server, session: str) -> float:
    """Stop what runs in the thread; return the seconds until the answer."""
    headers = {"Authorization": f"Bearer {token()}", SESSION: session}
    asked = time.monotonic()
    async with loopback.AsyncClient(timeout=DEADLINE) as client:
        body = {"threadId": "t", "stop": {}}
        answer = await client.post(f"{server.url}/invocations", json=body, headers=headers)
    assert answer.json() == {"stopped": True}
    return time.monotonic() - asked


async def test_stop_does_not_wait_for_a_tool_that_blocks_its_thread(serve: Serve) -> None:
    entered, release = threading.Event(), threading.Event()

    @tool
    def block() -> str:
        """Block a thread."""
        entered.set()
        release.wait(DEADLINE)
        return "late"

    server, session = serve(having(block), **LASTING), new_session()
    try:
        async with server.open(question("[tool=block]"), session=session) as response:
            lines = response.aiter_lines()  # kept: lines that nobody refers to hang up
            await until(lines, "TOOL_CALL_END")
            assert await asyncio.to_thread(entered.wait, DEADLINE)
            await stop(server, session)
            assert not release.is_set()
            rest = await until(lines, "RUN_ERROR")
        assert any("TOOL_CALL_RESULT" in line for line in rest)
        assert server.log()["outcome"] == "stopped"
    finally:
        release.set()


async def test_stop_ends_a_tool_that_waits(serve: Serve) -> None:
    ended, session = threading.Event(), new_session()

    @tool
    async def linger() -> str:
        """Wait for ever."""
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()
        return ""

    server = serve(having(linger), **LASTING)
    async with server.open(question("[tool=linger]"), session=session) as response:
        await until(response.aiter_lines(), "TOOL_CALL_END")
    await stop(server, session)
    assert ended.is_set()


async def test_only_the_sub_of_the_token_is_a_session_where_the_user_is_one(serve: Serve) -> None:
    server = serve(session_from="user")
    alice = "a" * 36
    assert (await server.ask("Hi [words=1 pause=0]", user=alice, session=alice)).code is None
    assert (await server.ask("Hi [words=1 pause=0]", user=alice)).code is None
    for user, session in [(alice, new_session()), ("m" * 36, alice)]:
        for body in (
            "Hi",
            {"threadId": "t", "attach": {}},
            {"threadId": "t", "stop": {}},
            {"threadId": "t", "history": {}},
        ):
            reply = await server.ask(body, user=user, session=session)
            assert (reply.types, reply.code) == (["RUN_ERROR"], "SESSION_FORBIDDEN")


async def test_two_authorization_headers_are_refused(serve: Serve) -> None:
    server = serve()
    async with loopback.AsyncClient(timeout=DEADLINE) as client:
        headers = [("Authorization", f"Bearer {token('alice')}"), ("Authorization", f"Bearer {token('mallory')}")]
        answer = await client.post(f"{server.url}/invocations", json={"prompt": "Hi"}, headers=headers)
    assert "SESSION_FORBIDDEN" in answer.text
    assert "more than one Authorization" in answer.text
