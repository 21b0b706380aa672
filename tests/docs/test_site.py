"""The site: every page is on it and in its menu, and its links are the site's own."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from local import ROOT
from tests.docs.pages import pages
from tools.site import FIRST, placed, rewritten, stage


class Loose(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name Python functions."""


Loose.add_multi_constructor("!!python/", lambda *_arguments: None)
Loose.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_arguments: None)


def menu(entries: object) -> list[str]:
    if isinstance(entries, str):
        return [entries]
    held = entries if isinstance(entries, list) else list(entries.values()) if isinstance(entries, dict) else []
    return [page for entry in held for page in menu(entry)]


def test_the_menu_has_every_page_once(tmp_path: Path) -> None:
    staged = stage(tmp_path / "site")
    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader=Loose)  # noqa: S506 - a safe one
    assert sorted(menu(config["nav"])) == staged


def test_the_readme_names_every_page() -> None:
    named = set(re.findall(r"\]\(docs/([a-z-]+\.md)\)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} == named


def test_every_page_of_the_repository_has_a_place() -> None:
    without = {path for page in pages() if placed(path := page.relative_to(ROOT).as_posix()) is None}
    assert {path for path in without if not path.startswith(("examples/", "web/"))} == set()


def test_a_link_to_a_page_is_the_sites_and_one_to_a_source_is_its_name() -> None:
    assert rewritten("[a](docs/agent.md#codes)", "README.md") == "[a](agent.md#codes)"
    assert rewritten("[a](../SECURITY.md)", "docs/faq.md") == "[a](reporting.md)"
    assert rewritten("[a](../security.md)", "docs/zh/pitfalls.md") == "[a](../security.md)"
    assert rewritten("[中](README.zh-CN.md)", "README.md") == "[中](zh/index.md)"
    assert rewritten("[the rules](../policy/rules.py)", "docs/security.md") == "the rules (`policy/rules.py`)"
    assert rewritten("[policy/rules.py](../policy/rules.py)", "docs/security.md") == "`policy/rules.py`"
    assert rewritten("[a](https://example.com)", "docs/faq.md") == "[a](https://example.com)"
    assert rewritten("```\n[a](b.md)\n```", "README.md") == "```\n[a](b.md)\n```"


def test_no_page_has_two_places() -> None:
    assert len(set(FIRST.values())) == len(FIRST)
