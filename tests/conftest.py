"""What holds for every test: which ones are whole, how Hypothesis judges slowness, and which agent the tests ask."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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

WHOLE_FOLDER = Path(__file__).parent / "e2e"
WHOLE_FIXTURES = {"base", "copy", "judgements", "package", "reader"}
"""The client's chain, copies of the project (edited too), the built package, and a reader who follows the pages."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `whole` what needs a whole chain, package or checkout, each of which takes seconds to make."""
    for item in items:
        if item.path.is_relative_to(WHOLE_FOLDER) or WHOLE_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.whole)


def pytest_collection_finish() -> None:
    """Leave the modules, which stay, out of every later garbage collection."""
    gc.freeze()
