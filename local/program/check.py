"""Everything that can be known of a stack before a deployment, without the Pulumi CLI and without an AWS account.

Its settings, the guard rails over what the program declares, what that would cost, and what the agent's package would
lack. What the bill is made of is `local.program.cost`'s to say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from local.program.cost import SIZES, Usage, bill, dollars, total
from local.program.evaluate import evaluate, read_settings
from local.program.graph import Graph, ProgramError
from local.program.provider import ImaginedProvider
from package.imports import missing_imports, refusal


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What one look found.

    Attributes:
        name: what was looked at.
        problems: one sentence each; none when all is well.
        seen: what was there to look at, in a few words.
    """

    name: str
    problems: tuple[str, ...]
    seen: str = ""


def check(stack: str) -> Iterator[Result]:
    """Look at a stack, as its files are now; where its settings are refused, the guard rails have nothing to judge."""
    try:
        graph = evaluate(stack, ImaginedProvider(read_settings(stack).get("aws:region", "")))
    except ProgramError as error:
        yield Result("settings", (str(error),))
    else:
        yield Result("settings", (), f"{len(graph.resources)} resources declared")
        yield _guard_rails(graph)
        yield _cost(graph)
    missing = missing_imports()
    yield Result("package", (refusal(missing),)) if missing else Result("package", (), "every import is pinned")


def _guard_rails(graph: Graph) -> Result:
    """The policy pack's rules, asked here of the graph as Pulumi would ask them of the stack."""
    from policy.graph import Declared, Stack  # noqa: PLC0415 - a second of imports that wrong settings need not pay
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
