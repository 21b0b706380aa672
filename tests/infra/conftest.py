"""Fixtures over the environments' graphs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local.program.graph import Graph
from tests.infra.graphs import ENVIRONMENTS, EVERYTHING, VARIATIONS, WEBSITE, any_stack, environment_graph, variation


@pytest.fixture(scope="session", params=ENVIRONMENTS)
def graph(request: pytest.FixtureRequest) -> Graph:
    """The graph of each environment in turn."""
    return environment_graph(request.param)


@pytest.fixture(scope="session")
def dev() -> Graph:
    """The graph of the development environment."""
    return environment_graph("dev")


@pytest.fixture(scope="session")
def vary() -> Callable[..., Graph]:
    """Evaluates a variation of an environment: ``vary("dev", api={"timeoutSeconds": 60})``."""
    return variation


@pytest.fixture(scope="session")
def everything() -> Graph:
    """A stack that uses every optional part."""
    return variation("dev", **EVERYTHING)


@pytest.fixture(scope="session")
def website() -> Graph:
    """A stack with a page of its own."""
    return variation("dev", **WEBSITE)


@pytest.fixture(scope="session", params=[*ENVIRONMENTS, *VARIATIONS])
def any_graph(request: pytest.FixtureRequest) -> Graph:
    """Every environment, and the stacks that together have every optional part."""
    return any_stack(request.param)
