"""Who notices a mechanism that somebody takes out of the program's sources, and how early.

A pull request from a fork is always a first preview, in which whatever AWS computes is unknown. What a guard rail
cannot judge there it judges before the resource is made; and `make preview` asks ``python -m local check`` first, which
knows every value and so misses none.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from local import ROOT
from policy.rules import RULES
from tests.policy.source_edits import EDITS

COPIED = ("agent", "client", "infra", "local", "package", "policy", "tests", "tools")

Judgement = dict[str, list[str]]


@pytest.fixture(scope="module")
def judgements(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Judgement]:
    """What the guard rails said of each edit, made in a copy of the project."""
    folder = tmp_path_factory.mktemp("edited")
    for source in (*(ROOT / name for name in COPIED), *ROOT.glob("*.py"), *ROOT.glob("Pulumi*.yaml")):
        name = source.name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy2(source, folder / name)
    done = subprocess.run(
        [sys.executable, "-m", "tests.policy.source_edits"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Judgement] = json.loads(done.stdout)
    return found


def test_nothing_is_said_of_the_program_as_it_is(judgements: dict[str, Judgement]) -> None:
    assert [rules for rules in judgements["nothing"].values() if rules] == []


@pytest.mark.parametrize("name", EDITS)
def test_its_guard_rail_and_no_other_notices_the_edit(judgements: dict[str, Judgement], name: str) -> None:
    edit, found = EDITS[name], judgements[name]
    assert found["by local check"] == [edit.rule]
    assert found["in a first preview"] == ([] if edit.unknown else [edit.rule])
    assert set(found["before it is made"]) <= {edit.rule}


def test_each_mechanism_is_taken_out_at_least_once() -> None:
    assert len(EDITS) == 22
    assert {edit.rule for edit in EDITS.values()} <= {rule.name for rule in RULES}
    assert sum(edit.unknown for edit in EDITS.values()) == 4


def test_the_page_has_the_table_of_what_is_found(judgements: dict[str, Judgement]) -> None:
    page = (ROOT / "docs" / "preview.md").read_text(encoding="utf-8")
    for name, edit in EDITS.items():
        preview = "refused" if judgements[name]["in a first preview"] else "not yet known"
        check = "refused" if judgements[name]["by local check"] else "passes"
        assert f"| {name} | `{edit.rule}` | {preview} | {check} |" in page
