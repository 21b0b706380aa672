"""Draws the README's animation, docs/words.svg, from answers of the local chain: ``python -m tools.moving_picture``.

The same question, streamed and buffered, each word shown at the time at which it arrived. The picture is an SVG with a
style sheet and no script, so it is animated wherever an SVG is shown as an image.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from client.account import demo_user
from client.exchange import ask
from client.outputs import Outputs
from local.run.chain import Chain, running
from local.run.demo import PROMPT, buffered
from local.run.options import Options
from package.contents import ROOT

PICTURE = ROOT / "docs" / "words.svg"

STEP_SECONDS = 0.1
"""Arrivals are rounded to a tenth of a second, so that the file is small."""

REST_SECONDS = 2.5
"""How long the whole answer is shown before the animation starts again."""

COLUMNS, LINE, LEFT, PANEL, WIDTH = 64, 20, 20, 190, 640


class Word(NamedTuple):
    """A word, and when it arrived, in seconds since the question."""

    text: str
    seconds: float


def words_of(arrivals: Sequence[tuple[float, str]]) -> list[Word]:
    """Whole words from pieces of text, each with the arrival time of its last piece."""
    found: list[Word] = []
    rest = ""
    at = 0.0
    for at, piece in arrivals:
        *whole, rest = (rest + piece).split(" ")
        found += [Word(word, at) for word in whole if word]
    return [*found, Word(rest, at)] if rest else found


def lines_of(words: Sequence[Word]) -> list[list[Word]]:
    """The words in lines of at most `COLUMNS` characters."""
    lines: list[list[Word]] = [[]]
    for word in words:
        if sum(len(each.text) + 1 for each in lines[-1]) + len(word.text) > COLUMNS:
            lines.append([])
        lines[-1].append(word)
    return lines


def draw(panels: Sequence[tuple[str, Sequence[Word]]]) -> str:
    """The picture of several answers, one below the other, on the same time scale."""
    last = max(word.seconds for _, words in panels for word in words)
    whole = last + REST_SECONDS
    steps = sorted({_step(word) for _, words in panels for word in words})
    frames = "".join(
        f"@keyframes k{step}{{0%{{fill-opacity:0}}{100 * step * STEP_SECONDS / whole:.1f}%{{fill-opacity:1}}}}"
        for step in steps
    )
    classes = "".join(f".k{step}{{animation-name:k{step}}}" for step in steps)
    style = (
        "text{font:14px ui-monospace,monospace;fill:#d8dee9}.t{font-weight:bold;fill:#88c0d0}"
        f"tspan{{animation:{whole:.1f}s step-end infinite}}{frames}{classes}"
        "@media(prefers-reduced-motion:reduce){tspan{animation:none}}"
    )
    body = "".join(_panel(title, words, PANEL * index) for index, (title, words) in enumerate(panels))
    height = PANEL * len(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        f"<title>{escape(PROMPT)}</title><style>{style}</style>"
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#2e3440"/>{body}</svg>\n'
    )


def _step(word: Word) -> int:
    return round(word.seconds / STEP_SECONDS)


def _panel(title: str, words: Sequence[Word], top: int) -> str:
    shown = [f'<text class="t" x="{LEFT}" y="{top + 30}">{escape(title)}</text>']
    for row, line in enumerate(lines_of(words)):
        spans = ""
        for step in sorted({_step(word) for word in line}):
            text = " ".join(word.text for word in line if _step(word) == step)
            spans += f'<tspan class="k{step}">{escape(text)} </tspan>'
        shown.append(f'<text x="{LEFT}" y="{top + 60 + row * LINE}" xml:space="preserve">{spans}</text>')
    return "".join(shown)


async def _listen(url: str, id_token: str) -> list[Word]:
    return words_of([(each.seconds, each.text) async for each in ask(url, id_token, PROMPT) if each.text])


async def record(chain: Chain) -> list[tuple[str, list[Word]]]:
    """Ask the same question of the declared graph, and of the graph with its integration buffered."""
    outputs = Outputs.model_validate(chain.outputs)
    tokens = await asyncio.to_thread(demo_user, outputs)
    streamed = await _listen(outputs.invoke_url, tokens.id)
    base = await chain.start_gateway("buffered-gateway", buffered(chain.graph))
    unstreamed = await _listen(base + outputs.invoke_url.removeprefix(chain.services.url("gateway")), tokens.id)
    return [("responseTransferMode: STREAM", streamed), ("responseTransferMode: BUFFERED", unstreamed)]


async def main() -> int:
    """Record and draw."""
    with tempfile.TemporaryDirectory(prefix="agent-stream-") as folder:
        async with running(Options(stack="dev", folder=Path(folder))) as chain:
            panels = await record(chain)
    PICTURE.write_text(draw(panels), encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)}  {PICTURE.stat().st_size / 1000:.1f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
