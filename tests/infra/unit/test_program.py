"""The whole program, ``__main__.py``, under Pulumi's mocks."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack

from infra.config import SettingsError
from local import ROOT
from tests.infra.graphs import PROJECT
from tests.infra.unit.mocks import REGION, AwsMocks
from tests.infra.unit.parts import MODEL

SETTINGS = {
    "aws:region": REGION,
    f"{PROJECT}:owner": "agent-team",
    f"{PROJECT}:runtime": json.dumps(
        {"modelArns": [MODEL], "model": "bedrock:anthropic.claude-haiku-4-5-20251001-v1:0"}
    ),
}


@pytest.fixture(autouse=True)
def _built(monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    monkeypatch.setattr("package.contents.package_path", lambda: package)


def run_program() -> None:
    runpy.run_path(str(ROOT / "__main__.py"))


@pulumi.runtime.test
def test_it_declares_the_chain(aws: AwsMocks) -> pulumi.Output[None]:
    pulumi.runtime.set_all_config(SETTINGS)
    run_program()

    def check(outputs: dict[str, str]) -> None:
        assert outputs["invokeUrl"].endswith("/dev/invocations")
        assert outputs["responseTransferMode"] == "STREAM"
        assert outputs["region"] == REGION
        assert {"UserPool", "RestApi", "Integration", "AgentcoreAgentRuntime", "WebAcl"} <= aws.kinds()

    return aws.after(check, exported())


@pulumi.runtime.test
def test_a_setting_reaches_what_it_is_for(aws: AwsMocks) -> pulumi.Output[None]:
    pulumi.runtime.set_all_config({**SETTINGS, f"{PROJECT}:api": json.dumps({"timeoutSeconds": 60})})
    run_program()

    def check() -> None:
        assert aws.inputs("Integration", "stream")["timeoutMilliseconds"] == 60_000

    return aws.after(check)


def test_every_problem_of_the_settings_is_told_at_once() -> None:
    pulumi.runtime.set_all_config({f"{PROJECT}:api": json.dumps({"timeoutSeconds": 901}), f"{PROJECT}:firewal": "{}"})
    with pytest.raises(SettingsError) as refused:
        run_program()
    keys = {problem.split()[0] for problem in refused.value.problems}
    assert keys == {
        "aws:region",
        f"{PROJECT}:owner",
        f"{PROJECT}:runtime",
        f"{PROJECT}:api.timeoutSeconds",
        f"{PROJECT}:firewal",
    }


def exported() -> pulumi.Output[dict[str, str]]:
    """The stack's outputs, once all are known."""
    root = get_root_resource()
    assert isinstance(root, Stack)
    return pulumi.Output.from_input(root.outputs)
