"""The rules as a Pulumi policy pack: ``pulumi preview --policy-pack policy``.

Checks of one resource's inputs run before that resource is created; checks that need several resources run on the whole
stack at the end. No check runs twice, so that each mistake is reported once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

# Pulumi runs this file from its own folder; the rules are found from the project's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy.graph import Declared, Stack
from policy.rules import RULES, Rule

ACROSS = "-across-resources"
"""The suffix of a rule's second policy, where it has two: in Pulumi each policy needs its own name."""


def _of_one_resource(rule: Rule) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
        resource = Declared(args.resource_type, args.name, args.urn, args.props)
        for _, message in rule.findings(Stack([resource])):
            report_violation(f"{args.name}: {message}", args.urn)

    return ResourceValidationPolicy(name=rule.name, description=rule.description, validate=validate)


def _of_the_stack(rule: Rule, name: str) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report_violation: ReportViolation) -> None:
        stack = Stack(Declared(each.resource_type, each.name, each.urn, each.props) for each in args.resources)
        for resource, message in rule.findings(stack):
            report_violation(f"{resource.name}: {message}", resource.urn)

    return StackValidationPolicy(name=name, description=rule.description, validate=validate)


def _policies() -> Iterator[Policy]:
    for rule in RULES:
        if rule.single_resource.checks:
            yield _of_one_resource(rule.single_resource)
        if rule.multi_resource.checks:
            yield _of_the_stack(rule.multi_resource, rule.name + ACROSS if rule.single_resource.checks else rule.name)


def _explain() -> None:
    print("The guard rails, as a Pulumi policy pack: pulumi preview --stack dev --policy-pack policy")
    print("Without the Pulumi CLI: python -m local check --stack dev")
    print()
    for rule in RULES:
        print(f"  {rule.name:<30} {rule.description}")


if __name__ == "__main__":
    if __package__:  # `python -m policy`: Pulumi starts this file by its path, and then waits for its port
        _explain()
    else:
        PolicyPack(name="agent-stream", enforcement_level=EnforcementLevel.MANDATORY, policies=list(_policies()))
