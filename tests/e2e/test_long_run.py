"""A run of twenty minutes at the time scale, over four connections: readers who attach again have all of it, once."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from client.account import Account, demo_user
from client.conversation import Conversation
from client.store import TokenStore
from local.doubles.scripted import Script
from tests import loopback
from tests.e2e.conftest import PATIENCE, RunningChain
from tests.e2e.project import copy_project

SCALE = 100
MINUTES = 20

WORDS = 240
PROMPT = f"Take twenty minutes. [words={WORDS} pause={MINUTES * 60 / SCALE / WORDS}]"

SETTINGS = """    allowedOrigin: http://localhost:5173 # the chat page on a developer's machine
    timeoutSeconds: 300
"""
"""Connections of five minutes."""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    folder = tmp_path_factory.mktemp("long")
    project = copy_project(folder / "project")
    path = project / "Pulumi.dev.yaml"
    text = path.read_text(encoding="utf-8")
    changed = text.replace(SETTINGS.splitlines(keepends=True)[0], SETTINGS)
    changed = changed.replace("agent-stream:runtime:\n", "agent-stream:runtime:\n    runSeconds: 1800\n")
    assert changed.count("Seconds:") == text.count("Seconds:") + 2
    path.write_text(changed, encoding="utf-8")
    running = RunningChain(folder / "chain", "--time-scale", str(SCALE), project=project)
    try:
        running.wait_until_up()
        yield running
    finally:
        running.end()


async def with_our_client(chain: RunningChain) -> tuple[str, list[int], int]:
    """The text, the numbers of the events, and how many connections it took."""
    cuts: list[object] = []
    text, numbers = "", []
    account = Account(chain.outputs, TokenStore(chain.outputs))
    async with Conversation(chain.outputs, account, notice=cuts.append) as talk:
        async for arrival in talk.ask(PROMPT):
            text += arrival.text or ""
            numbers.append(int(arrival.id.rpartition(":")[2]))
        assert arrival.event["type"] == "RUN_FINISHED"
    return text, numbers, len(cuts) + 1


async def with_a_stock_reader(chain: RunningChain) -> tuple[str, int]:
    """As a client of AG-UI that knows no SSE ids: it shows what it is sent, and attaches when it is cut off."""
    asked = {"id": str(uuid.uuid4()), "role": "user", "content": PROMPT}
    run = {"threadId": str(uuid.uuid4()), "runId": str(uuid.uuid4()), "tools": [], "context": [], "state": {}}
    question: dict[str, Any] = {**run, "messages": [asked], "forwardedProps": {}}
    headers = {"Authorization": f"Bearer {demo_user(chain.outputs).id}"}
    messages: dict[str, str] = {}
    connections = 0
    async with loopback.AsyncClient(timeout=PATIENCE, headers=headers) as http:
        while True:
            connections += 1
            async for event in events(http, chain.outputs.invoke_url, question):
                if event["type"] == "MESSAGES_SNAPSHOT":
                    said = [one for one in event["messages"] if one["role"] == "assistant"]
                    messages = {one["id"]: one["content"] for one in said}
                elif event["type"] == "TEXT_MESSAGE_START":
                    messages[event["messageId"]] = ""
                elif event["type"] == "TEXT_MESSAGE_CONTENT":
                    messages[event["messageId"]] += event["delta"]
                elif event["type"] == "RUN_FINISHED":
                    return "".join(messages.values()), connections
            question = {**run, "messages": [], "forwardedProps": {"attach": {}}}


async def events(http: httpx.AsyncClient, url: str, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """What comes over one connection, until it is cut or over."""
    with suppress(httpx.RemoteProtocolError):
        async with http.stream("POST", url, json=body) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))


def test_whoever_attaches_again_has_the_whole_of_a_run_of_twenty_minutes(chain: RunningChain) -> None:
    async def both() -> tuple[tuple[str, list[int], int], tuple[str, int]]:
        return await asyncio.gather(with_our_client(chain), with_a_stock_reader(chain))

    TokenStore(chain.outputs).save(demo_user(chain.outputs))
    (text, numbers, connections), (shown, stock_connections) = asyncio.run(both())
    whole = " ".join(Script.of(PROMPT).answer())
    assert text.split() == whole.split()
    assert numbers == [*range(1, len(numbers) + 1)]
    assert shown.split() == whole.split()
    assert connections >= MINUTES * 60 // 300
    assert stock_connections >= MINUTES * 60 // 300
