"""What the CLI does to a stack's file, by the README's own steps: the file is still one that the tests accept."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.config import StackConfig
from local import ROOT
from local.program.evaluate import read_settings, secret_keys, stack_file
from tests.engine.cli import engine_root
from tests.infra.graphs import PROJECT
from tests.infra.test_schema import problems
from tests.infra.test_settings_files import without_reason

pytestmark = pytest.mark.engine


class Cli:
    """The CLI in a copy of the project's own files, with a state of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{folder}",
            "PULUMI_CONFIG_PASSPHRASE": "of the tests",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def __call__(self, *arguments: str) -> str:
        root = engine_root()
        assert root is not None
        done = subprocess.run(
            [str(root / "bin" / "pulumi"), *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def file(self, stack: str) -> Path:
        return self.folder / f"Pulumi.{stack}.yaml"


@pytest.fixture
def pulumi(tmp_path: Path) -> Iterator[Cli]:
    """The CLI, and the project's readers looking at its folder."""
    for path in ROOT.glob("Pulumi*.yaml"):
        shutil.copy(path, tmp_path)
    cli = Cli(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("local.program.evaluate.ROOT", tmp_path)
        yield cli


def test_the_steps_of_the_readme_leave_a_file_that_the_tests_accept(pulumi: Cli) -> None:
    pulumi("stack", "init", "dev")
    pulumi("config", "set", "owner", "my-team", "--stack", "dev")
    pulumi("config", "set", "--path", "api.accountLogRole", "true", "--stack", "dev")
    text = stack_file("dev").read_text(encoding="utf-8")
    assert "encryptionsalt" in text
    assert text.count(" # ") == (ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8").count(" # ")
    assert without_reason(text) == []
    assert problems(yaml.safe_load(text)) == []
    config = StackConfig.parse(PROJECT, "dev", read_settings("dev"))
    assert (config.owner, config.api.account_log_role) == ("my-team", True)


def test_an_encrypted_subscriber_is_one_that_the_readers_accept(pulumi: Cli) -> None:
    pulumi("stack", "init", "prod")
    pulumi("config", "set", "--secret", "--path", "observability.subscribers[0]", "a@example.com", "--stack", "prod")
    assert "a@example.com" not in pulumi.file("prod").read_text(encoding="utf-8")
    assert problems(yaml.safe_load(pulumi.file("prod").read_text(encoding="utf-8"))) == []
    assert secret_keys("prod") == {f"{PROJECT}:observability"}
    assert StackConfig.parse(PROJECT, "prod", read_settings("prod"), secret=secret_keys("prod"))


def test_keys_without_the_projects_name_are_its_own_under_any_name(pulumi: Cli) -> None:
    for path in pulumi.folder.glob("Pulumi*.yaml"):
        text = path.read_text(encoding="utf-8").replace(f"  {PROJECT}:", "  ")
        path.write_text(text.replace(f"name: {PROJECT}", "name: my-chat"), encoding="utf-8")
    assert StackConfig.parse("my-chat", "dev", read_settings("dev"))
    pulumi("stack", "init", "dev")
    assert "agent-team" in pulumi("config", "--stack", "dev")
    # Pulumi has written its name before each key.
    keys = yaml.safe_load(pulumi.file("dev").read_text(encoding="utf-8"))["config"]
    assert {key.partition(":")[0] for key in keys} == {"aws", "my-chat"}
    assert StackConfig.parse("my-chat", "dev", read_settings("dev"))
