"""The rules as a Pulumi policy pack: ``pulumi preview --policy-pack policy``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Pulumi runs this file from its own folder; the rules are found from the project's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policy.graph import UNKNOWN, Declared, Stack
from policy.rules import RULES, Rule


def _plain(value: Any) -> Any:
    """A property without Pulumi's wrappers, which raise when something unknown is read."""
    if isinstance(value, Mapping):
        return {key: _read(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_read(value, index) for index in range(len(value))]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read(holder: Any, key: Any) -> Any:
    try:
        return _plain(holder[key])
    except UnknownValueError:
        return UNKNOWN


def _policy(rule: Rule) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report_violation: ReportViolation) -> None:
        resources = [
            Declared(type=each.resource_type, name=each.name, urn=each.urn, inputs=_plain(each.props))
            for each in args.resources
        ]
        for resource, message in rule.check(Stack(resources)):
            report_violation(f"{resource.name}: {message}", resource.urn)

    return StackValidationPolicy(name=rule.name, description=rule.description, validate=validate)


if __name__ == "__main__":
    PolicyPack(
        name="agent-stream",
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=[_policy(rule) for rule in RULES],
    )
