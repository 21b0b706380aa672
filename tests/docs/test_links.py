"""Links between pages lead somewhere, and the files that the contributing guide names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local import ROOT
from tests.docs.pages import anchors, links, name, pages


@pytest.mark.parametrize("page", pages(), ids=name)
def test_every_link_between_pages_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        missing = not target.exists()
        if missing or (anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert not broken


def test_a_link_leaves_the_project_only_as_an_address() -> None:
    outside = [
        (name(page), link)
        for page in pages()
        for link in links(page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", link) and not (page.parent / link.partition("#")[0]).resolve().is_relative_to(ROOT)
    ]
    assert not outside


def test_the_files_of_every_kind_of_change_exist() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("the files it touches")[2]
    table = guide.partition("\n## ")[0]
    suffixes = (".py", ".yaml", ".md")
    named = {path for path in re.findall(r"`([\w./-]+)`", table) if "/" in path or path.endswith(suffixes)}
    assert len(named) > 20
    assert {path for path in named if not (ROOT / path).exists() and "NAME" not in path} == set()
