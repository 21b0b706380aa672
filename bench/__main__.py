"""``make bench``: measures every figure beside a peer; takes eight minutes of a quiet machine."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from bench import agent, chain, program, start
from bench.figures import Absent, Figure, Rounds
from bench.report import Section, table, write

Rows = Sequence[Figure | Absent]


def sections(folder: Path, rounds: Rounds) -> dict[str, Callable[[], Rows]]:
    """What is measured, in order."""
    return {
        "The agent beside the SDK's own entry point": lambda: asyncio.run(agent.figures(folder, rounds)),
        "A cold start": lambda: asyncio.run(start.figures(folder, rounds)),
        "The way through the chain": lambda: asyncio.run(chain.figures(folder, rounds)),
        "The program and the package": lambda: [
            program.evaluation(rounds),
            *program.beside_synth(folder, rounds),
            program.up(folder, rounds),
            program.package(),
        ],
    }


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Number of samples of each side.")] = 3,
    report: Annotated[bool, typer.Option(help="Write bench/report.md and its picture.")] = True,
) -> None:
    """Measure and print the figures; exits with 1 when a goal was not reached."""
    console = Console(record=True, width=150)
    progress = Console(stderr=True)  # of its own, so that the report's picture has only the tables

    def shown(what: str) -> Iterable[object]:
        return track(range(rounds), what, console=progress, transient=True)

    measured: list[Section] = []
    with tempfile.TemporaryDirectory(prefix="agent-stream-bench-") as folder:
        for title, measure in sections(Path(folder), shown).items():
            measured.append((title, measure()))
            console.print(table(*measured[-1]))
    if report:
        write(console, measured, rounds, [program.cost("prod")])
        console.print("The report is bench/report.md.")
    if not all(row.held for _, rows in measured for row in rows if isinstance(row, Figure)):
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
