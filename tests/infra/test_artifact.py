"""What AgentCore is given to run: named by its content, there before a deployment, readable while it runs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pulumi
import pytest

import infra.artifact
import package.contents
from local.program.evaluate import evaluate
from local.program.graph import Graph
from local.program.provider import MockProvider
from package.contents import NOT_SHIPPED, ROOT, package_digest, shipped_files
from tests.infra.graphs import environment_graph, role_statements, stack_settings, variation

OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
BUCKET = "aws:s3/bucket:Bucket"
RUNTIME = "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime"


class TestBeforeItIsBuilt:
    @pytest.fixture(autouse=True)
    def _missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("package.contents.package_path", lambda: ROOT / "dist" / "agent-missing.zip")

    @pytest.mark.parametrize("preview", [True, False], ids=["a preview", "the local run"])
    def test_what_deploys_nothing_reads_no_file(self, preview: bool) -> None:
        settings = stack_settings("dev")
        graph = evaluate("dev", MockProvider(settings["aws:region"]), settings=settings, preview=preview)
        assert graph.one(OBJECT).inputs["key"] == "agent-missing.zip"
        assert "text" in graph.one(OBJECT).inputs["source"]

    def test_a_deployment_is_refused_in_a_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: False)
        with pytest.raises(pulumi.RunError, match=r"dist/agent-missing.zip is not built.*run `make package` first"):
            infra.artifact._asset(package.contents.package_path())


def copied(target: Path) -> Path:
    for folder in ("agent", "package"):
        shutil.copytree(ROOT / folder, target / folder)
    return target


def write(name: str) -> Callable[[Path], Any]:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("changed", encoding="utf-8")

    return change


class TestNamedByItsContent:
    @pytest.mark.parametrize(
        "change",
        [
            write("agent/prompt.txt"),
            write("agent/prompts/system.json"),
            write("agent/agent.py"),
            write("agent/requirements.txt"),
            write("package/build.py"),
            write("package/bytecode.py"),
            lambda root: (root / "agent" / "agent.py").rename(root / "agent" / "other.py"),
        ],
        ids=["data file", "in a folder", "source", "requirements", "builder", "compiler", "renamed"],
    )
    def test_whatever_is_shipped_changes_the_name(self, change: Callable[[Path], Any], tmp_path: Path) -> None:
        root = copied(tmp_path)
        before = package_digest(root)
        change(root)
        assert package_digest(root) != before

    @pytest.mark.parametrize(
        "name", ["agent/README.md", "agent/Dockerfile", "agent/__pycache__/a.pyc", "agent/.env", "agent/.x/y"]
    )
    def test_what_stays_behind_does_not(self, name: str, tmp_path: Path) -> None:
        root = copied(tmp_path)
        before = package_digest(root)
        write(name)(root)
        assert package_digest(root) == before

    def test_the_name_is_the_same_wherever_the_project_lies(self, tmp_path: Path) -> None:
        assert package_digest(copied(tmp_path)) == package_digest(ROOT)

    def test_the_image_leaves_the_same_names_behind_as_the_package(self) -> None:
        lines = (ROOT / "agent" / ".dockerignore").read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if not line.startswith("#")] == [f"**/{name}" for name in NOT_SHIPPED]

    def test_the_image_is_built_from_files_that_are_not_left_behind(self) -> None:
        recipe = (ROOT / "agent" / "Dockerfile").read_text(encoding="utf-8")
        copied_in = re.findall(r"^COPY (?!--)(\S+)", recipe, re.MULTILINE)
        shipped = {path.relative_to(ROOT / "agent").as_posix() for path in shipped_files()}
        assert "." in copied_in
        assert set(copied_in) - {"."} <= shipped


class TestReadableWhileItRuns:
    def test_the_grant_is_for_any_of_the_stacks_packages(self, dev: Graph) -> None:
        policy = json.dumps(role_statements(dev))
        package = f"{dev.one(BUCKET).outputs['arn']}/{dev.one(OBJECT).inputs['key']}"
        (granted,) = re.findall(r'"(arn:aws:s3:::[^"]+)"', policy)
        assert fnmatch(package, granted)
        assert granted.startswith(f"{dev.one(BUCKET).outputs['arn']}/")
        assert Path(package).stem not in granted  # or each deployment would change the role

    def test_an_earlier_package_outlives_its_successor_but_not_the_stack(self, dev: Graph) -> None:
        assert dev.one(OBJECT).retain_on_delete
        assert dev.one(BUCKET).inputs["forceDestroy"] is True
        assert not dev.one(BUCKET).retain_on_delete


class TestTelemetry:
    def test_the_package_is_started_under_opentelemetry(self) -> None:
        def entry(graph: Graph) -> object:
            return graph.one(RUNTIME).inputs["agentRuntimeArtifact"]["codeConfiguration"]["entryPoints"]

        assert entry(environment_graph("dev")) == ["main.py"]
        assert entry(variation("dev", runtime={"telemetry": True})) == ["opentelemetry-instrument", "main.py"]

    def test_so_is_the_image(self, everything: Graph) -> None:
        plain = variation("dev", runtime={"artifact": "container"})
        images = [graph.one("awsx:ecr:Image").inputs for graph in (everything, plain)]
        starts = [stage(image["target"]) for image in images]
        assert ["opentelemetry-instrument" in start for start in starts] == [True, False]
        assert images[0]["imageTag"] != images[1]["imageTag"]  # a tag cannot be moved to another image


def stage(name: str) -> str:
    """A stage of the Dockerfile."""
    recipe = (ROOT / "agent" / "Dockerfile").read_text(encoding="utf-8")
    return recipe.partition(f" AS {name}\n")[2].partition("\nFROM")[0]
