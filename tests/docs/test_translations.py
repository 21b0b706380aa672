"""The Chinese pages are in step with the English ones, and what the pitfalls name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from client.doctor.checks import CHECKS
from infra.gateway_responses import REFUSALS
from local import ROOT
from local.planes.gateway.responses import DEFAULTS
from local.planes.runtime.errors import STATUS
from local.run.misconfigurations import MISCONFIGURATIONS
from tests.docs.pages import blocks, headings, links

DOCS = ROOT / "docs"
PITFALLS = [DOCS / "pitfalls.md", DOCS / "zh" / "pitfalls.md"]


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def commands(path: Path) -> list[str]:
    lines = [
        line.partition(" #")[0].strip()
        for block in blocks(text(path))
        if block.language == "sh"
        for line in block.text.splitlines()
    ]
    return [line for line in lines if line]


def levels(path: Path) -> list[int]:
    return [len(line) - len(line.lstrip("#")) for line in re.findall(r"^#{1,6} .*$", text(path), re.MULTILINE)]


def test_the_readmes_have_the_same_sections_and_the_same_commands() -> None:
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"
    assert len(headings(text(english))) == len(headings(text(chinese)))
    assert levels(english) == levels(chinese)
    assert commands(english) == commands(chinese)


def test_the_readmes_name_the_same_folders() -> None:
    def folders(path: Path) -> set[str]:
        return set(re.findall(r"`([a-z]+/)`", text(path)))

    assert folders(ROOT / "README.md") - folders(ROOT / "README.zh-CN.md") == set()


def test_each_readme_leads_to_the_other() -> None:
    assert "README.zh-CN.md" in links(text(ROOT / "README.md"))
    assert "README.md" in links(text(ROOT / "README.zh-CN.md"))


def test_the_pitfalls_are_the_same_in_both_languages() -> None:
    english, chinese = (text(path) for path in PITFALLS)
    assert levels(PITFALLS[0]) == levels(PITFALLS[1])
    assert named(english) == named(chinese)
    pages = [[link for link in links(page) if link.startswith("https:")] for page in (english, chinese)]
    assert pages[0] == pages[1]


def named(page: str) -> list[list[str]]:
    """What each section names between backquotes that is ours: tests, faults, checks, in any order."""
    known = {*MISCONFIGURATIONS, *(check.name for check in CHECKS)}
    sections = re.split(r"^#{2,3} ", page, flags=re.MULTILINE)
    return [
        sorted(each for each in re.findall(r"`([\w-]+)`", one) if each.startswith("test_") or each in known)
        for one in sections
    ]


@pytest.mark.parametrize("path", PITFALLS, ids=lambda path: path.parent.name)
def test_what_the_pitfalls_name_exists(path: Path) -> None:
    page = re.sub(r"\s+", " ", text(path))
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    tests = set(re.findall(r"`(test_\w+)`", page))
    assert len(tests) >= 20
    assert {each for each in tests if f"def {each}(" not in sources} == set()
    words = r"(?:faults?|故障) ((?:`[a-z-]+`(?:, | and |、| 和 )?)+)"
    faults = {each for run in re.findall(words, page) for each in re.findall(r"`([a-z-]+)`", run)}
    assert len(faults) > 12
    assert faults <= {*MISCONFIGURATIONS}
    asked = r"(?:the checks?|检查) ((?:`[a-z-]+`(?:, | and |、| 和 )?)+)"
    checks = {each for run in re.findall(asked, page) for each in re.findall(r"`([a-z-]+)`", run)}
    assert len(checks) > 5
    assert checks <= {check.name for check in CHECKS}


@pytest.mark.parametrize("path", PITFALLS, ids=lambda path: path.parent.name)
def test_a_check_that_the_pitfalls_name_is_the_one_that_names_the_fault(path: Path) -> None:
    checks = {check.name for check in CHECKS}
    told = 0
    for section in re.split(r"^#{2,3} ", text(path), flags=re.MULTILINE):
        spans = re.findall(r"`([a-z-]+)`", section.partition("Shown by")[2] or section.partition("证明")[2])
        found = {MISCONFIGURATIONS[each].check for each in spans if each in MISCONFIGURATIONS}
        named = {each for each in spans if each in checks and each not in MISCONFIGURATIONS}
        if found and named:
            told += 1
            assert named == found, section.partition("\n")[0]
    assert told > 5


def test_every_code_of_the_agent_says_what_a_page_should_do() -> None:
    codes = set(re.findall(r'^    ([A-Z_]+) = "\1"$', text(ROOT / "agent" / "errors.py"), re.MULTILINE))
    assert len(codes) > 12
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \|", text(DOCS / "front-end.md"), re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`([A-Z_]+)`", row)} == codes
    # The page has a line for each; that the user stopped it is no problem to tell of.
    table = text(ROOT / "web" / "src" / "problems.ts").partition("const CODES")[2].partition("};")[0]
    told = set(re.findall(r"^  ([A-Z_]+): ", table, re.MULTILINE))
    assert told - {"CONNECTION_LOST"} == codes - {"STOPPED"}


def test_every_status_of_the_api_says_what_a_page_should_do() -> None:
    sent = {status for status, _, _ in DEFAULTS.values()} | set(STATUS.values())
    sent |= {int(refusal.status) for refusal in REFUSALS if refusal.status}
    rows = re.findall(r"^\| ([0-9, ]+) \|", text(DOCS / "front-end.md"), re.MULTILINE)
    listed = {int(status) for row in rows for status in row.split(", ")}
    assert listed - sent == {502, 503}  # of what stands before or behind them on AWS
    assert not sent - listed
    table = text(ROOT / "web" / "src" / "problems.ts").partition("const STATUSES")[2].partition("};")[0]
    assert {int(status) for status in re.findall(r"^  ([0-9]+): ", table, re.MULTILINE)} == listed
