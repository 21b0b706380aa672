"""Draws the timeline as an SVG, and renders it as a PNG."""

from __future__ import annotations

import importlib
import math
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from client.errors import UsageError
from client.sanitize import sanitized
from client.timeline import Lane

WIDTH, LEFT, RIGHT, TOP, LANE, BOTTOM = 960, 24, 24, 64, 96, 56
FONT = "DejaVu Sans, Verdana, sans-serif"
# Colours that can be distinguished with colour blindness.
STREAMED, BUFFERED, WAIT, BEAT, INK, FAINT = "#0072b2", "#d55e00", "#f3e3d3", "#cc79a7", "#1a1a1a", "#6b6b6b"
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)
MAX_TICKS = 12
TITLE_CHARACTERS = 90

Attributes = dict[str, str | float]


def svg(lanes: list[Lane], title: str) -> str:
    """Return an SVG of the lanes, one below the other, on one time axis."""
    height = TOP + LANE * len(lanes) + BOTTOM
    title = title[:TITLE_CHARACTERS]
    root = _tag(
        None,
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {WIDTH} {height}", "role": "img"},
    )
    root.set("width", str(WIDTH))
    root.set("height", str(height))
    root.set("font-family", FONT)
    _tag(root, "title", {}, f"{title}: when each word arrived")
    _tag(root, "rect", {"width": WIDTH, "height": height, "fill": "#ffffff"})
    _tag(root, "text", {"x": LEFT, "y": 30, "font-size": 18, "fill": INK, "font-weight": "bold"}, title)
    _tag(root, "text", {"x": LEFT, "y": 50, "font-size": 12, "fill": FAINT}, "A line for each word, where it arrived.")
    longest = max(lane.lasted for lane in lanes)
    scale = (WIDTH - LEFT - RIGHT) / longest
    for number, lane in enumerate(lanes):
        _lane(root, lane, TOP + LANE * number, scale)
    _axis(root, TOP + LANE * len(lanes), longest, scale)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def check_writable(path: Path) -> None:
    """Check that a file can be written, before waiting for the answer that is drawn in it.

    Raises:
        UsageError: when it cannot.
    """
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"{path} cannot be written: there is no folder {folder}, so make it first.")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"{path} cannot be written: name a file that you may write.")


def write_svg(path: Path, lanes: list[Lane], title: str) -> None:
    """Write the picture.

    Raises:
        UsageError: when the file cannot be written.
    """
    _write(path, svg(lanes, title).encode())


def write_png(path: Path, lanes: list[Lane], title: str) -> None:
    """Write the picture at twice its size, for high-resolution screens.

    Raises:
        UsageError: when the renderer is not installed, or the file cannot be written.
    """
    _write(path, bytes(renderer().svg_to_bytes(svg_string=svg(lanes, title), zoom=2)))


def renderer() -> Any:
    """Import the SVG renderer, an optional dependency without type annotations.

    Raises:
        UsageError: when it is not installed.
    """
    try:
        return importlib.import_module("resvg_py")
    except ImportError:
        raise UsageError("A PNG needs resvg-py: run `.venv/bin/pip install resvg-py`, or use --svg.") from None


def _write(path: Path, picture: bytes) -> None:
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name a file that you may write.") from None


def _lane(root: ElementTree.Element, lane: Lane, top: float, scale: float) -> None:
    group = _tag(root, "g", {})
    buffered = lane.delivery.verdict in ("buffered", "lumps")
    times = f"first word after {lane.first_word:.2f} s, last after {lane.last_word:.2f} s"
    _tag(group, "text", {"x": LEFT, "y": top + 18, "font-size": 14, "fill": INK, "font-weight": "bold"}, lane.name)
    right: Attributes = {"x": WIDTH - RIGHT, "y": top + 18, "font-size": 12, "fill": FAINT, "text-anchor": "end"}
    _tag(group, "text", right, times)
    bar: Attributes = {"y": top + 30, "height": 40}
    _tag(group, "rect", {**bar, "x": LEFT, "width": lane.lasted * scale, "fill": "#f2f2f2"})
    waited = lane.first_word * scale
    _tag(group, "rect", {**bar, "x": LEFT, "width": waited, "fill": WAIT})
    if waited > 200:
        _tag(
            group,
            "text",
            {"x": LEFT + waited / 2, "y": top + 54, "font-size": 12, "fill": FAINT, "text-anchor": "middle"},
            "nothing to read yet",
        )
    for word in lane.deltas:
        x = LEFT + word * scale
        _tag(
            group,
            "line",
            {
                "x1": x,
                "x2": x,
                "y1": top + 30,
                "y2": top + 70,
                "stroke": BUFFERED if buffered else STREAMED,
                "stroke-width": 1.6,
            },
        )
    for beat in lane.heartbeats:
        _tag(group, "circle", {"cx": LEFT + beat * scale, "cy": top + 76, "r": 3, "fill": BEAT})


def _axis(root: ElementTree.Element, top: float, longest: float, scale: float) -> None:
    step = next((one for one in STEPS if longest / one <= MAX_TICKS), STEPS[-1])
    group = _tag(root, "g", {"stroke": FAINT, "fill": FAINT, "font-size": 11})
    _tag(group, "line", {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": top + 4, "y2": top + 4})
    for number in range(math.floor(longest / step) + 1):
        x = LEFT + number * step * scale
        _tag(group, "line", {"x1": x, "x2": x, "y1": top + 4, "y2": top + 9})
        label: Attributes = {"x": x, "y": top + 24, "stroke": "none", "text-anchor": "middle"}
        _tag(group, "text", label, f"{number * step:g} s")


def _tag(parent: ElementTree.Element | None, name: str, attributes: Attributes, text: str = "") -> ElementTree.Element:
    written = {key: value if isinstance(value, str) else _number(value) for key, value in attributes.items()}
    element = ElementTree.Element(name, written) if parent is None else ElementTree.SubElement(parent, name, written)
    # XML allows neither control characters, nor U+FFFE and U+FFFF, nor lone surrogates.
    element.text = re.sub("[\ufffe\uffff]", "", sanitized(text)) or None
    return element


def _number(value: float) -> str:
    """Format a number with at most two decimals, which keeps the file small."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))
