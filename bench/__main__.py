"""``make bench``: every figure that the project promises, as a table and a picture."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.agent import Comparison, compare, started_in
from local import ROOT
from local.run.chain import running
from local.run.options import Options

PICTURE = ROOT / ".build" / "bench.svg"
BAR = 12


def bar(value: float, most: float) -> str:
    """A bar as long as its share of the longest."""
    return "█" * max(1, round(BAR * value / most))


def verdict(*, held: bool) -> str:
    """The word for the last column."""
    return "yes" if held else "[red]no[/]"


def agent_table(rows: list[Comparison]) -> Table:
    """Ours beside the SDK's own."""
    table = Table("agent", "", "ours", "yield", "better by", "bound", "held", title="One agent, two entry points")
    for row in rows:
        most = max(row.ours, row.theirs)
        bars = f"[green]{bar(row.ours, most)}[/]\n[dim]{bar(row.theirs, most)}[/]"
        figures = (f"{value:,.2f} {row.unit}" for value in (row.ours, row.theirs))
        bound = f"{'≥' if row.better == 'more' else '≤'} {row.bound:,.2f}"
        table.add_row(row.what, bars, *figures, f"{row.ratio:.2f}x", bound, verdict(held=row.held))
    return table


MODULES_USED = """
import sys
from local.program.evaluate import evaluate
from local.program.provider import ImaginedProvider
evaluate("dev", ImaginedProvider("us-east-1"))
print(*(name for name in sys.modules if name.split(".")[0] in ("pulumi", "pulumi_aws", "pulumi_awsx", "pulumi_random")))
"""


def graph_seconds(rounds: int) -> tuple[float, float]:
    """Medians: evaluating the dev stack in a new process, and importing only the provider modules that it loads."""
    # The provider loads its modules when first touched, so which ones are used is seen in a process that used them.
    used = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", MODULES_USED], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    bare = f"import importlib\nfor name in {used!r}: importlib.import_module(name)"
    evaluation = "from local.program.evaluate import main; raise SystemExit(main(['dev']))"
    pairs = [(started_in(evaluation), started_in(bare)) for _ in range(rounds)]
    return statistics.median(one for one, _ in pairs), statistics.median(one for _, one in pairs)


async def up_seconds(folder: Path) -> float:
    """From nothing to a chain that is ready."""
    began = time.perf_counter()
    async with running(Options(folder=folder)):
        return time.perf_counter() - began


def promises(rounds: int, folder: Path) -> tuple[Table, bool]:
    """The other figures with a bound, and whether all of them held."""
    evaluated, bare = graph_seconds(rounds)
    up = statistics.median(asyncio.run(up_seconds(folder)) for _ in range(rounds))
    table = Table("what", "measured", "bound", "held", title="Promises")
    figures = (("evaluate the dev stack", evaluated, bare + 0.5), ("`python -m local up` is ready", up, 6.0))
    for what, measured, bound in figures:
        table.add_row(what, f"{measured:.2f} s", f"{bound:.2f} s", verdict(held=measured <= bound))
    table.caption = f"The first bound is 0.5 s over importing its provider modules alone, {bare:.2f} s."
    return table, all(measured <= bound for _, measured, bound in figures)


def main(rounds: Annotated[int, typer.Option(min=1, help="Each figure is a median of so many.")] = 5) -> None:
    """Measure and show; exit code 1 when a promise did not hold."""
    console = Console(record=True, width=130)
    with tempfile.TemporaryDirectory(prefix="agent-stream-bench-") as folder:
        with console.status("Streaming ..."):
            rows = asyncio.run(compare(Path(folder), rounds))
        console.print(agent_table(rows))
        with console.status("Starting ..."):
            table, held = promises(rounds, Path(folder))
        console.print(table)
    PICTURE.parent.mkdir(exist_ok=True)
    console.save_svg(str(PICTURE), title="agent-stream, measured here")
    console.print(f"The picture is {PICTURE.relative_to(ROOT)}.")
    if not (held and all(row.held for row in rows)):
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
