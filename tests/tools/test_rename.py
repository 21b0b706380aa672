"""The project under another name: its files say so, their comments stay, and the program reads them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from infra.config import StackConfig
from infra.settings.error_messages import SettingsError
from local import ROOT
from tests.infra.graphs import ENVIRONMENTS, PROJECT, stack_settings
from tools import schema
from tools.rename import main, rename

SCHEMA = schema.FILE.relative_to(ROOT)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that hold the name."""
    for path in (*ROOT.glob("Pulumi*.yaml"), schema.FILE):
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def test_every_key_of_the_projects_own_has_the_new_name_and_no_comment_is_lost(copy: Path) -> None:
    assert len(rename("my-copy", copy)) == 2 + len(ENVIRONMENTS)
    assert schema.project_name(copy) == "my-copy"
    assert (copy / SCHEMA).read_text(encoding="utf-8") == schema.render("my-copy")
    for stack in ENVIRONMENTS:
        before, after = ((folder / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8") for folder in (ROOT, copy))
        assert after == before.replace(f"  {PROJECT}:", "  my-copy:")
        assert "aws:region" in yaml.safe_load(after)["config"]
    assert rename("my-copy", copy) == []


def test_a_name_that_was_changed_by_hand_before_is_carried_through(copy: Path) -> None:
    project = copy / "Pulumi.yaml"
    project.write_text(project.read_text(encoding="utf-8").replace(f"name: {PROJECT}", "name: my-copy"), "utf-8")
    rename("my-copy", copy)
    settings = yaml.safe_load((copy / f"Pulumi.{ENVIRONMENTS[0]}.yaml").read_text(encoding="utf-8"))["config"]
    assert {key.partition(":")[0] for key in settings} == {"aws", "my-copy"}


def test_until_then_the_program_says_whose_keys_it_finds() -> None:
    with pytest.raises(SettingsError) as refused:
        StackConfig.parse("my-copy", "dev", stack_settings("dev"))
    (found,) = (each for each in refused.value.problems if "tools.rename" in each)
    assert found.startswith(f"{PROJECT}:owner and ")
    assert found.endswith(f"run python -m tools.rename my-copy, or write my-copy in place of {PROJECT}.")


@pytest.mark.parametrize("name", ["My_chat", "chat--two", "a-project-with-far-too-long-a-name"])
def test_a_name_that_aws_would_not_take_is_refused_in_a_sentence(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 2
    assert f"The name {name!r} cannot work" in capsys.readouterr().err
