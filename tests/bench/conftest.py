"""Fixtures of the benchmarks' tests."""

from __future__ import annotations

import warnings

import pytest

with warnings.catch_warnings():
    # The SDK configures pydantic the old way.
    warnings.simplefilter("ignore")
    import bedrock_agentcore.runtime  # noqa: F401


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
