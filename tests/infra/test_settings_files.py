"""The stack files: every key with its reason, and a staging that rehearses production."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from infra.config import StackConfig
from local.program.evaluate import stack_file
from tests.infra.graphs import ENVIRONMENTS, PROJECT, stack_settings

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


def without_reason(text: str) -> list[str]:
    """The keys below ``config:`` that have no reason, but for those at the end of a section.

    ``pulumi config set`` writes a key of its own there, and who sets one by the command line gives no reason.
    """
    lines = text.splitlines()

    def has_reason(key: yaml.Node, value: yaml.Node) -> bool:
        line = key.start_mark.line
        inside = isinstance(value, yaml.MappingNode) and any(has_reason(*each) for each in value.value)
        return inside or " # " in lines[line] or lines[line - 1].lstrip().startswith("# ")

    def lacking(section: yaml.Node, path: str = "") -> Iterator[str]:
        assert isinstance(section, yaml.MappingNode)
        last = max((place for place, each in enumerate(section.value) if has_reason(*each)), default=-1)
        for key, value in section.value[: last + 1]:
            if not has_reason(key, value):
                yield f"{path}{key.value}"
            elif isinstance(value, yaml.MappingNode):
                yield from lacking(value, f"{path}{key.value}.")

    top = yaml.compose(text)
    assert isinstance(top, yaml.MappingNode)
    return list(lacking(next(value for key, value in top.value if key.value == "config")))


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_every_key_carries_its_reason(stack: str) -> None:
    assert without_reason(stack_file(stack).read_text(encoding="utf-8")) == []


def test_a_key_without_a_reason_is_noticed_unless_it_comes_last() -> None:
    reasons = "config:\n  owner: us\n  api:\n    timeoutSeconds: 60\n    throttleRate: 1 # slow\n    burst: 1\n"
    assert without_reason(reasons) == ["owner", "api.timeoutSeconds"]


def test_staging_is_production_but_for_names_and_sizes() -> None:
    staging, production = (
        dict(_flat(StackConfig.parse(PROJECT, stack, stack_settings(stack)).model_dump(by_alias=True)))
        for stack in ("staging", "prod")
    )
    assert {key for key, value in staging.items() if value != production[key]} <= NAMES_AND_SIZES


def _flat(values: dict[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
