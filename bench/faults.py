"""The faults of the soak test, each injected while other streams run, and what the affected client must see.

A scenario is an async function of a `Scene`; it returns a sentence about the affected client, or raises AssertionError.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
import jwt

from bench.streams import Listener, Prompt, listen_to_many
from local import LOOPBACK
from local.run.chain import Chain

PATIENCE = 30.0
ONE_BYTE_SECONDS = 5


class Scene(NamedTuple):
    """The gateways of a scenario.

    ``short`` has an integration timeout of 2 s, ``huge`` a backend that sends 20 MB, ``full`` a full disk for its log.
    """

    chain: Chain
    url: str
    short: str
    huge: str
    full: str
    token: str


Scenario = Callable[[Scene], Awaitable[str]]


async def _one(scene: Scene, url: str, prompt: str) -> str:
    async with asyncio.timeout(PATIENCE):
        (result,) = await listen_to_many(url, scene.token, Prompt(prompt), 1)
    return result.outcome


async def _request(
    scene: Scene, url: str, prompt: str, thread: str | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request on a raw connection, without reading its response."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(LOOPBACK, parts.port, limit=1024)
    body = json.dumps({"prompt": prompt, "threadId": thread or str(uuid.uuid4())})
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nAuthorization: Bearer {scene.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    writer.write(head.encode())
    await writer.drain()
    return reader, writer


async def emulator_killed(scene: Scene) -> str:
    """Nobody can sign in; a caller with a token is still served, because the keys are cached."""
    os.kill(scene.chain.services.processes["emulator"], signal.SIGKILL)
    outcome = await _one(scene, scene.url, "Still there? [words=5 pause=0.01]")
    assert outcome == "whole", outcome
    return "a signed-in caller is still answered"


async def keys_unreachable(scene: Scene) -> str:
    """A token with an unknown key id, while the keys cannot be fetched."""
    header = {**jwt.get_unverified_header(scene.token), "kid": "a key that nobody has"}
    forged = (
        f"{base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip('=')}.{scene.token.partition('.')[2]}"
    )
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        status = 401  # until the keys may be fetched again, see `local.planes.tokens.REFRESH_SECONDS`
        while status == 401:
            async with session.post(
                scene.url, headers={"Authorization": f"Bearer {forged}"}, json={"prompt": "Hi"}
            ) as answer:
                status = answer.status
            outcome = await _one(scene, scene.url, "And I? [words=2 pause=0.01]")
            assert outcome == "whole", outcome
    assert status == 500, status
    return "status 500, and a caller with a known key is answered"


async def one_byte_reader(scene: Scene) -> str:
    """A client that reads one byte a second of a response that is larger than all buffers."""
    reader, writer = await _request(scene, scene.huge, "Slowly.")
    try:
        for _ in range(ONE_BYTE_SECONDS):
            assert await reader.readexactly(1)
            await asyncio.sleep(1)
    finally:
        writer.close()
    return f"got its {ONE_BYTE_SECONDS} bytes in {ONE_BYTE_SECONDS} s"


async def vanishing_client(scene: Scene) -> str:
    """A client's connection is reset in mid-stream, unnoticed by the agent; another client stops the run."""
    thread = str(uuid.uuid4())
    reader, writer = await _request(scene, scene.url, "Goodbye. [words=2000 pause=0.01]", thread)
    await reader.readuntil(b"TEXT_MESSAGE_CONTENT")
    writer.transport.abort()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {scene.token}"}) as session,
        session.post(scene.url, json={"threadId": thread, "stop": {}}) as answer,
    ):
        assert await answer.json() == {"stopped": True}
    log = scene.chain.folder / "logs" / "agent.log"
    async with asyncio.timeout(PATIENCE):
        while '"outcome": "stopped"' not in log.read_text(encoding="utf-8"):
            await asyncio.sleep(0.05)
    return "its run went on, and was stopped"


async def gateway_killed(scene: Scene) -> str:
    """A gateway's process is killed in the middle of a stream and another is started; the client attaches there."""
    path = urlsplit(scene.url).path
    services = scene.chain.services
    prompt = Prompt("Hold on. [words=40 pause=0.05]")
    thread_id, run_id = str(uuid.uuid4()), str(uuid.uuid4())
    messages = [{"id": str(uuid.uuid4()), "role": "user", "content": prompt.text}]
    question = {"threadId": thread_id, "runId": run_id, "messages": messages}
    listener = Listener(prompt)
    url = await scene.chain.start_gateway("killed-gateway", scene.chain.graph)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {scene.token}"}) as session:
        with suppress(aiohttp.ClientError):
            async with session.post(url + path, json=question) as answer:
                async for line in answer.content:
                    listener.read(line)
                    if len(listener.received) == 5:
                        os.kill(services.processes["killed-gateway"], signal.SIGKILL)
        url = await scene.chain.start_gateway("second-gateway", scene.chain.graph)
        attach = {"threadId": thread_id, "attach": {"runId": run_id, "after": listener.number}}
        async with session.post(url + path, json=attach) as answer:
            async for line in answer.content:
                listener.read(line)
    result = listener.result()
    assert result.outcome == "whole", result
    return f"attached through another gateway, all {result.words} words in order"


async def silent_agent(scene: Scene) -> str:
    """An agent that sends nothing until the integration timeout."""
    outcome = await _one(scene, scene.short, "Say nothing. [words=5 after=600]")
    assert outcome == "cut", outcome
    return "cut at the timeout"


async def huge_answer(scene: Scene) -> str:
    """A backend that sends 20 MB."""
    size = 0
    async with (
        asyncio.timeout(PATIENCE),
        aiohttp.ClientSession() as session,
        session.post(
            scene.huge, headers={"Authorization": f"Bearer {scene.token}"}, json={"prompt": "Everything"}
        ) as answer,
    ):
        async for chunk in answer.content.iter_any():
            size += len(chunk)
    assert size == 20 * 2**20, size
    return "all 20 MB came, the second half at 2 MB/s"


async def full_disk(scene: Scene) -> str:
    """A full disk for the access log."""
    outcome = await _one(scene, scene.full, "Anybody? [words=5 pause=0.01]")
    assert outcome == "whole", outcome
    return "answered, unlogged"


async def agent_killed(scene: Scene) -> str:
    """The agent's process is killed; it serves all streams here, so all of them are cut."""
    os.kill(scene.chain.services.processes["agent"], signal.SIGKILL)
    outcome = await _one(scene, scene.url, "Anybody? [words=5 pause=0.01]")
    assert outcome == "status 424", outcome
    await scene.chain.restart_agent()
    outcome = await _one(scene, scene.url, "And now? [words=5 pause=0.01]")
    assert outcome == "whole", outcome
    return "424 while it is gone, answered once it is back"


UNTOUCHED: Mapping[str, Scenario] = {
    "client reads one byte a second": one_byte_reader,
    "client vanishes": vanishing_client,
    "gateway killed": gateway_killed,
    "agent sends nothing": silent_agent,
    "answer of 20 MB": huge_answer,
    "disk full for the log": full_disk,
}
"""Faults that leave every other stream whole."""

WITHOUT_USER_POOL: Mapping[str, Scenario] = {
    "emulator killed": emulator_killed,
    "keys unreachable": keys_unreachable,
}
"""Faults that leave every other stream whole, in this order and last, because the emulator is not started again."""

FATAL: Mapping[str, Scenario] = {"agent killed": agent_killed}
"""Faults that cut every stream; each stream must end with a defined outcome."""


async def verdict_of(work: Awaitable[str]) -> str:
    """The scenario's sentence, or why it failed."""
    with suppress(asyncio.CancelledError):
        try:
            return await work
        except (AssertionError, TimeoutError, aiohttp.ClientError, OSError) as error:
            return f"FAILED: {type(error).__name__} {error}"
    return "FAILED: cancelled"
