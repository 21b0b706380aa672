"""The rules as a Pulumi policy pack: ``pulumi preview --policy-pack policy``."""

from __future__ import annotations

import sys
from pathlib import Path

# Pulumi runs this file from its own folder; the rules are found from the project's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy.graph import Declared, Stack
from policy.rules import RULES, Rule


def _policy(rule: Rule) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report_violation: ReportViolation) -> None:
        stack = Stack(Declared(each.resource_type, each.name, each.urn, each.props) for each in args.resources)
        for resource, message in rule.findings(stack):
            report_violation(f"{resource.name}: {message}", resource.urn)

    return StackValidationPolicy(name=rule.name, description=rule.description, validate=validate)


if __name__ == "__main__":
    PolicyPack(
        name="agent-stream",
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=[_policy(rule) for rule in RULES],
    )
