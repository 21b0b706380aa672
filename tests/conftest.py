"""What holds for every test: which are whole, in what order they run, how Hypothesis judges slowness, whom they ask."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

gc.disable()  # until everything is collected, which makes nothing that is garbage

# A busy machine is not a counter-example, whichever test it stalls. What a test sets itself is added to this.
settings.register_profile(
    "suite",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")

# The tests ask an agent of their own, also through the local run, so that a user's agent/agent.py fails none of them.
os.environ["AGENT_MODULE"] = "tests.reference_agent"

TESTS = Path(__file__).parent
WHOLE_FOLDER = TESTS / "e2e"
WHOLE_FIXTURES = {"base", "copy", "judgements", "package", "reader"}
"""The client's chain, copies of the project (edited too), the built package, and a reader who follows the pages."""


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark as `whole` what needs a whole chain, package or checkout, each of which takes seconds to make."""
    for item in items:
        if item.path.is_relative_to(WHOLE_FOLDER) or WHOLE_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.whole)
    yield
    spread(items)  # after pytest has chosen by the markers, and brought together what shares a fixture


def spread(items: list[pytest.Item]) -> None:
    """Spread the files of each folder over the whole run: those of one mostly wait, those of another mostly compute."""
    folders: dict[str, list[Path]] = {}
    for path in dict.fromkeys(item.path for item in items):
        folders.setdefault(path.relative_to(TESTS).parts[0], []).append(path)
    place = {path: (number + 0.5) / len(paths) for paths in folders.values() for number, path in enumerate(paths)}
    items.sort(key=lambda item: (place[item.path], str(item.path)))


def pytest_collection_finish() -> None:
    """Leave what was collected, which stays, out of every later garbage collection."""
    gc.freeze()
    gc.enable()
