"""A stack that a real Pulumi engine deploys into an imagined AWS, from a test.

The program runs inline (Automation API), so the engine needs no language host; AWS is `tests.engine.provider`. A stack
is a folder of its own.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation

from local import ROOT
from tests.engine.cli import engine_root
from tests.engine.provider import Change, Cloud
from tests.infra.graphs import PROJECT


def run_program() -> None:
    """``__main__.py``, as the engine's language host would run it."""
    runpy.run_path(str(ROOT / "__main__.py"))


@dataclass
class EngineStack:
    """One stack in a folder of its own.

    Attributes:
        folder: holds the engine's home, the state and the stack file.
        name: the stack's name.
        cloud: the AWS that it is deployed into.
        providers: what ``PULUMI_DEBUG_PROVIDERS`` says.
        program: what declares the resources.
    """

    folder: Path
    name: str
    cloud: Cloud
    providers: str
    program: Callable[[], None] = run_program

    def configure(self, settings: Mapping[str, Any], *, secret: Mapping[str, str] | None = None) -> None:
        """Write the stack file; ``secret`` are keys that the engine encrypts."""
        path = self.folder / f"Pulumi.{self.name}.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
        content["config"] = dict(settings)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        for key, value in (secret or {}).items():
            self._stack().set_config(key, automation.ConfigValue(value, secret=True), path=True)

    def up(self) -> list[Change]:
        """Deploy; gives what was changed in AWS, in order.

        Raises:
            pulumi.automation.CommandError: when the deployment fails.
        """
        del self.cloud.changes[:]
        self._stack().up(color="never")
        return list(self.cloud.changes)

    def preview(self) -> dict[str, int]:
        """What a deployment would do, by how often; ``same`` left out."""
        del self.cloud.changes[:]
        summary = self._stack().preview(color="never").change_summary
        assert self.cloud.changes == [], "a preview changes nothing"
        return {str(getattr(what, "value", what)): times for what, times in summary.items() if str(what) != "same"}

    def refresh(self) -> dict[str, int]:
        """What AWS has otherwise than the state, by how often; ``same`` left out."""
        changes = self._stack().refresh(color="never").summary.resource_changes or {}
        return {what: times for what, times in changes.items() if what != "same"}

    def destroy(self, *, preview: bool = False) -> list[Change]:
        """Delete everything without a preview, or look at what a preview says; gives what was deleted, in order.

        Raises:
            pulumi.automation.CommandError: when it fails.
        """
        del self.cloud.changes[:]
        self._stack().destroy(color="never", preview_only=preview)
        return list(self.cloud.changes)

    def run(self, *arguments: str) -> str:
        """Run any other command of the CLI on the stack; gives what it prints."""
        return str(self._stack()._run_pulumi_cmd_sync(list(arguments)).stdout)

    def state(self) -> str:
        """The state file as it lies there; an export by the Automation API would decrypt it."""
        return (self.folder / ".pulumi" / "stacks" / PROJECT / f"{self.name}.json").read_text(encoding="utf-8")

    def resources(self) -> list[dict[str, Any]]:
        """Every resource of the state, secrets in clear."""
        exported = self._stack().export_stack().deployment or {}
        return list(exported["resources"])

    def _stack(self) -> automation.Stack:
        root = engine_root()
        assert root is not None
        options = automation.LocalWorkspaceOptions(
            work_dir=str(self.folder),
            pulumi_home=str(self.folder / "home"),
            pulumi_command=automation.PulumiCommand(str(root)),
            env_vars={
                "PULUMI_BACKEND_URL": f"file://{self.folder}",
                "PULUMI_CONFIG_PASSPHRASE": "of the tests",
                "PULUMI_DEBUG_PROVIDERS": self.providers,
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "PULUMI_DISABLE_CHECKPOINT_BACKUPS": "true",
            },
        )
        return automation.create_or_select_stack(self.name, project_name=PROJECT, program=self.program, opts=options)


def structured(settings: Mapping[str, str]) -> dict[str, Any]:
    """Flat settings, structured ones as JSON text, as they stand in a stack file."""
    return {key: _parsed(value) for key, value in settings.items()}


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def position(changes: list[Change], what: str, kind: str, name: str = "") -> int:
    """Where in the order of changes the only one of its kind is.

    Raises:
        AssertionError: when there is none, or more than one.
    """
    found = [
        index
        for index, each in enumerate(changes)
        if each.what == what and each.type.endswith(f":{kind}") and each.name.endswith(name)
    ]
    assert len(found) == 1, f"{len(found)} times {what} {kind} {name}: {[str(each) for each in changes]}"
    return found[0]
