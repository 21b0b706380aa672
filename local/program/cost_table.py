"""Prints the estimate of cost as a table or as JSON: ``python -m local cost``."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from local.program.cost import HEADINGS, SIZES, Usage, bill, idle_seconds, mishaps, prices, read_on, rows, total, users
from local.program.evaluate import evaluate, read_settings
from local.program.provider import MockProvider


def print_cost(stack: str, usage: Usage, *, as_json: bool) -> None:
    """Evaluate the stack and print its bill.

    Raises:
        ProgramError: when the settings are invalid or the program fails.
    """
    settings = read_settings(stack)
    graph = evaluate(stack, MockProvider(settings.get("aws:region", "us-east-1")), settings=settings)
    if as_json:
        lines = bill(graph, usage)
        months = {str(size): round(total(lines, size, usage), 2) for size in SIZES}
        report: dict[str, Any] = {"stack": stack, "pricesReadOn": read_on(), "usage": dataclasses.asdict(usage)}
        report["parts"] = [line._asdict() for line in lines]
        report |= {
            "users": {str(size): users(size, usage) for size in SIZES},
            "months": months,
            "prices": dict(prices()),
        }
        print(json.dumps(report, indent=2))
        return
    console = Console()
    table = Table(*HEADINGS, title=f"{stack}, US dollars, us-east-1, prices read on {read_on()}")
    for column in table.columns[1:]:
        column.justify = "right"
    *parts, whole = rows(graph, usage)
    for row in parts:
        table.add_row(*row)
    table.add_section()
    table.add_row(*whole, style="bold")
    console.print(table)
    console.print(
        f"A conversation: {usage.turns} turns, {usage.answer_seconds:g} s and {usage.output_tokens} tokens an answer, "
        f"a microVM of {usage.memory_gb:g} GB that lives {idle_seconds(graph)} s longer."
    )
    losses = Table("what goes wrong", "microVMs alone")
    losses.columns[1].justify = "right"
    for mishap in mishaps(graph, usage):
        losses.add_row(*mishap)
    console.print(losses)
