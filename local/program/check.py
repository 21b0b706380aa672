"""Checks a stack before a deployment, without the Pulumi CLI and without an AWS account.

It checks the settings, the guard rails over the declared resources, the cost, and the imports of the agent's package.
`local.program.cost` has the parts of the cost.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from local.program.cost import SIZES, Usage, bill, dollars, total
from local.program.evaluate import evaluate, read_settings
from local.program.graph import Graph, ProgramError
from local.program.provider import MockProvider
from package.imports import missing_imports, refusal


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """The result of one check.

    Attributes:
        name: the check's name.
        problems: one sentence each; empty when the check passes.
        seen: a summary of what was checked, in a few words.
    """

    name: str
    problems: tuple[str, ...]
    seen: str = ""


def check(stack: str) -> Iterator[Result]:
    """Check a stack from its current files; without valid settings there is no graph, so no guard rails and no cost."""
    try:
        graph = evaluate(stack, MockProvider(read_settings(stack).get("aws:region", "")))
    except ProgramError as error:
        yield Result("settings", (str(error),))
    else:
        yield Result("settings", (), f"{len(graph.resources)} resources declared")
        yield _guard_rails(graph)
        yield _cost(graph)
    missing = missing_imports()
    yield Result("package", (refusal(missing),)) if missing else Result("package", (), "every import is pinned")


def _guard_rails(graph: Graph) -> Result:
    """The policy pack's rules, applied to the graph as Pulumi applies them to the stack."""
    from policy.graph import Declared, Stack  # noqa: PLC0415 - takes a second, and is not needed for invalid settings
    from policy.rules import RULES  # noqa: PLC0415

    stack = Stack(Declared(each.type, each.name, each.urn, dict(each.outputs)) for each in graph.resources)
    problems = [
        f"{rule.name}: {resource.name}: {message}" for rule in RULES for resource, message in rule.findings(stack)
    ]
    return Result("guard rails", tuple(problems), "" if problems else f"{len(RULES)} rules hold")


def _cost(graph: Graph) -> Result:
    """The estimate for an ordinary chat; a cost is never a problem."""
    usage = Usage()
    lines = bill(graph, usage)
    months = (f"{dollars(total(lines, size, usage))} for {size:,}" for size in SIZES)
    return Result("cost", (), f"a month of conversations: {', '.join(months)} (python -m local cost has the parts)")
