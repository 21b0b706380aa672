"""The stack files: every key with its reason, and a staging that rehearses production."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from infra.config import StackConfig
from local.program.evaluate import stack_file
from tests.infra.graphs import ENVIRONMENTS, stack_settings

# What staging may have otherwise than production: where it is, and how much it bears and keeps.
NAMES_AND_SIZES = {
    "stack",
    "identity.callbackUrls",
    "api.allowedOrigin",
    "firewall.requestsPerAddress",
    "api.throttleRate",
    "api.throttleBurst",
    "api.invocationRate",
    "api.invocationBurst",
    "runtime.memoryDays",
    "observability.logRetentionDays",
    "observability.subscribers",
}


def keys(node: yaml.Node | None, path: str = "") -> Iterator[tuple[str, int]]:
    """Every key that has a value of its own, with the line that it stands on."""
    assert isinstance(node, yaml.MappingNode)
    for key, value in node.value:
        if isinstance(value, yaml.MappingNode):
            yield from keys(value, f"{path}{key.value}.")
        else:
            yield f"{path}{key.value}", key.start_mark.line


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_every_key_carries_its_reason(stack: str) -> None:
    text = stack_file(stack).read_text(encoding="utf-8")
    lines = text.splitlines()
    for key, line in keys(yaml.compose(text)):
        assert " # " in lines[line] or lines[line - 1].lstrip().startswith("# "), f"{key} has no reason"


def test_staging_is_production_but_for_names_and_sizes() -> None:
    staging, production = (
        dict(_flat(StackConfig.parse("agent-stream", stack, stack_settings(stack)).model_dump(by_alias=True)))
        for stack in ("staging", "prod")
    )
    assert {key for key, value in staging.items() if value != production[key]} <= NAMES_AND_SIZES


def _flat(values: dict[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
