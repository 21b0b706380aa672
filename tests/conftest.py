"""How the tests are dealt out to the worker processes: what shares a running chain stays together."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

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

TOGETHER = {
    "tests/e2e/test_chain.py": "chain",
    "tests/e2e/test_ag_ui_client.py": "chain",
    "tests/e2e/test_front_end_page.py": "chain",
    "tests/e2e/test_sign_in_clients.py": "chain",
}
"""Files whose tests use one chain that takes seconds to start. Every other file goes by itself, a folder in
`WHOLE_FOLDERS` as one."""

WHOLE_FOLDERS = ("tests/client/",)


class SharedFixtures(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist's schedulers are not typed
    """Gives one worker all the tests that share a slow fixture.

    pytest-xdist's own ``--dist loadgroup`` would do, but it groups nothing from pytest 9.2 on:
    https://github.com/pytest-dev/pytest-xdist/issues/1386
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return TOGETHER.get(path) or next((folder for folder in WHOLE_FOLDERS if path.startswith(folder)), path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedFixtures:
    return SharedFixtures(config, log)
