"""The fixture of the unit tests: Pulumi's runtime under mocks, fresh for each test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime.settings import reset_options

from tests.infra.graphs import PROJECT
from tests.infra.unit.mocks import AwsMocks


@pytest.fixture(scope="session")
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The tests' event loop: whoever ran one before (asyncio.run) has left none, and Pulumi wants one to be there.

    Its mocks want one in each thread that they answer from, too, and would leave it open.
    """
    loop = asyncio.new_event_loop()
    opened = [loop]

    def open_one() -> None:
        opened.append(asyncio.new_event_loop())
        asyncio.set_event_loop(opened[-1])

    with ThreadPoolExecutor(initializer=open_one) as threads:
        loop.set_default_executor(threads)
        yield loop
    for each in opened:
        each.close()


@pytest.fixture(autouse=True)
def aws(_loop: asyncio.AbstractEventLoop) -> Iterator[AwsMocks]:
    """The mocks that answer for AWS in this test."""
    mocks = AwsMocks()
    asyncio.set_event_loop(_loop)
    reset_options()  # drops the last test's stack, which belongs to that test's event loop
    pulumi.runtime.set_mocks(mocks, project=PROJECT, stack="dev")
    yield mocks
    # A test that declares nothing waits for nothing, and the registration of its stack is still under way.
    _loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(_loop), return_exceptions=True))
    pulumi.runtime.set_all_config({}, [])
    reset_options()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Something in the place of the agent's package, which a test need not build."""
    path = tmp_path / "agent-0123456789abcdef.zip"
    path.write_bytes(b"not a package")
    return path
