"""The environments' graphs, as the tests of infra have them."""

from __future__ import annotations

from tests.infra.conftest import any_graph

__all__ = ["any_graph"]
