"""The fixture of the unit tests: Pulumi's runtime under mocks, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime.settings import reset_options

from tests.infra.graphs import PROJECT
from tests.infra.unit.mocks import AwsMocks


@pytest.fixture(autouse=True)
def aws() -> Iterator[AwsMocks]:
    """The mocks that answer for AWS in this test."""
    mocks = AwsMocks()
    reset_options()  # drops the last test's stack, which belongs to that test's event loop
    pulumi.runtime.set_mocks(mocks, project=PROJECT, stack="dev")
    yield mocks
    pulumi.runtime.set_all_config({}, [])
    reset_options()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Something in the place of the agent's package, which a test need not build."""
    path = tmp_path / "agent-0123456789abcdef.zip"
    path.write_bytes(b"not a package")
    return path
