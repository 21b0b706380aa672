"""What holds for every test: how Hypothesis judges slowness, and which agent the tests ask."""

from __future__ import annotations

import os

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
