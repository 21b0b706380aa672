"""The environments' graphs, as the tests of infra have them, and the loop that Pulumi's mocks want."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from pulumi.runtime.settings import reset_options

from tests.infra.conftest import any_graph
from tests.infra.unit.conftest import _loop

__all__ = ["_loop", "any_graph"]


@pytest.fixture(autouse=True)
def _in_the_loop(_loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Run each test where there is a loop, without the stack of the test before."""
    asyncio.set_event_loop(_loop)
    reset_options()
    yield
    reset_options()
