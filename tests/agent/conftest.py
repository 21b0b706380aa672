"""Fixtures of the agent's tests: a server to ask."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

with warnings.catch_warnings():
    # The SDK configures pydantic the old way and imports Strands' bidirectional agents by their old name.
    warnings.simplefilter("ignore")
    import bedrock_agentcore.memory.integrations.strands.session_manager  # noqa: F401

from agent import app, blocking, executor, run
from agent.app import create_app
from agent.settings import Settings
from agent.strands import tools
from tests.agent.support import Serve, Server, listening
from tests.reference_agent import build_agent as reference_agent

# Sessions of any name, so that a test can tell them apart, and a hang-up that ends its run.
BASE: dict[str, Any] = {"model": "scripted", "session_from": "header", "detached_seconds": 0}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server in a thread: `serve(build_agent, heartbeat_seconds=0.2)`."""
    with ExitStack() as stack:

        def start(build_agent: Any = reference_agent, **settings: Any) -> Server:
            application = create_app(Settings(**{**BASE, **settings}), build_agent)
            server = Server(url="")
            for module in (app, blocking, executor, run, tools):
                monkeypatch.setattr(module, "log_line", server.logs.put)
            server.url = stack.enter_context(listening(application))
            return server

        yield start


@pytest.fixture(scope="session")
def shared() -> Iterator[Server]:
    """One server for the tests that only ask: the scripted model and the reference agent."""
    settings = Settings(**BASE, allowed_origin="https://chat.example", max_prompt_chars=100, max_messages=5)
    with listening(create_app(settings, reference_agent)) as url:
        yield Server(url)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with credentials and nothing else of AWS, in which looking for more asks nobody."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch
