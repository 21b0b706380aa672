"""The project's pages as text: their headings, links and commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from local import ROOT

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
NEEDS = re.compile(r"\*(?:Needs (?:AWS|the Pulumi CLI)|需要 AWS)[:\uff1a]\*")


class Block(NamedTuple):
    """A fenced block: its language, its text, and whether the line before says that it needs AWS or the CLI."""

    language: str
    text: str
    needs_aws: bool


def pages() -> list[Path]:
    """Every page of the project, in both languages."""
    folders = (ROOT, ROOT / "docs", ROOT / "web", ROOT / "bootstrap", ROOT / "examples")
    return sorted(
        path
        for folder in folders
        for path in (folder.rglob("*.md") if folder.name in {"docs", "examples"} else folder.glob("*.md"))
        if "node_modules" not in path.parts
    )


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text)


def headings(text: str) -> list[str]:
    return [line.lstrip("#").strip() for line in prose(text).splitlines() if re.match(r"#{1,6} ", line)]


def anchors(text: str) -> set[str]:
    """What a link may name after its #, as GitHub makes it of a heading: lower case, no punctuation, hyphens."""
    found: set[str] = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in headings(text):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(anchor)
    return found


def links(text: str) -> list[str]:
    """The targets of a page's links and pictures."""
    return re.findall(r"\]\(([^()\s]+(?:\([^()]*\))?)\)", prose(text))


def spans(text: str) -> list[str]:
    """What stands between backquotes in a page's prose."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose(text))]


def blocks(text: str) -> Iterator[Block]:
    for found in FENCE.finditer(text):
        before = text[: found.start()].rstrip().rpartition("\n")[2]
        yield Block(found["language"], found["text"], NEEDS.fullmatch(before) is not None)
