"""How the tests are dealt out to the worker processes: what shares a running chain stays together."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent

TOGETHER = {
    "e2e/test_chain.py": "chain",
    "e2e/test_ag_ui_client.py": "chain",
}
"""Files whose tests use one chain that takes seconds to start. Every other file goes by itself, a folder in
`WHOLE_FOLDERS` as one."""

WHOLE_FOLDERS = {"client"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(TESTS)
        group = path.parts[0] if path.parts[0] in WHOLE_FOLDERS else TOGETHER.get(path.as_posix(), path.as_posix())
        item.add_marker(pytest.mark.xdist_group(group))
