"""The figures as a table on the screen, a page (`bench/report.md`) and a picture (`bench/report.svg`)."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figures import Absent, Figure, number, spread

Section = tuple[str, Sequence[Figure | Absent]]

FOLDER = Path(__file__).parent
BAR = 24

HEAD = """# Figures

Written by `make bench`, which measures every figure beside a peer's on the same machine, in turn: {rounds} samples of
each side, reported as median and range. A ratio above one is in our favour; a goal is the least ratio that is promised.

{day}, {system}, {cores} processors, Python {python}. Nothing here was measured on AWS. How each is measured, and what
was tried to make it better: [README.md](README.md).

![Each ratio as a bar; the mark is one](report.svg)
"""


def verdict(row: Figure) -> str:
    """The goal, and whether it was reached."""
    return "" if row.goal is None else f"{number(row.goal)} {'held' if row.held else 'NOT HELD'}"


def table(title: str, rows: Sequence[Figure | Absent]) -> Table:
    """One section, with a bar as long as the ratio."""
    shown = Table("what", "ours", "the peer's", "ratio", "", "goal", title=title)
    most = max((row.ratio for row in rows if isinstance(row, Figure)), default=1.0)
    for row in rows:
        if isinstance(row, Absent):
            shown.add_row(row.what, "not measured", row.why)
            continue
        bar = "█" * max(1, round(BAR * row.ratio / most))
        colour = "green" if row.held else "red"
        peer = f"{spread(row.theirs, row.unit)}\n[dim]{row.peer}[/]"
        ratio = f"{number(row.ratio)}x"
        shown.add_row(row.what, spread(row.ours, row.unit), peer, ratio, f"[{colour}]{bar}[/]", verdict(row))
    return shown


def page(sections: Sequence[Section], rounds: int, sentences: Sequence[str]) -> Iterator[str]:
    """The page, line by line."""
    yield HEAD.format(
        rounds=rounds,
        day=time.strftime("%Y-%m-%d"),
        system=f"{platform.system()} on {platform.machine()}",
        cores=os.cpu_count(),
        python=platform.python_version(),
    )
    for title, rows in sections:
        yield f"## {title}\n"
        yield "| what | ours | the peer's | peer | ratio | goal |"
        yield "|---|---|---|---|---|---|"
        for row in rows:
            if isinstance(row, Absent):
                yield f"| {row.what} | not measured: {row.why} | | | | |"
            else:
                figures = (spread(row.ours, row.unit), spread(row.theirs, row.unit), row.peer, f"{number(row.ratio)}x")
                yield f"| {row.what} | {' | '.join(figures)} | {verdict(row)} |"
        yield ""
    yield from sentences


def write(console: Console, sections: Sequence[Section], rounds: int, sentences: Sequence[str]) -> None:
    """Write the page, and the recorded console output as its picture."""
    text = "\n".join(page(sections, rounds, sentences)).rstrip() + "\n"
    (FOLDER / "report.md").write_text(text, encoding="utf-8")
    picture = console.export_svg(title="agent-stream, measured")
    # Without the web fonts that rich refers to, so that a viewer loads nothing.
    offline = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    (FOLDER / "report.svg").write_text(offline, encoding="utf-8")
