"""What every command has in common, and what helps a person or a shell to find one."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from client.commands.app import app
from client.doctor.checks import CHECKS
from client.errors import OutputsError
from client.outputs import stack_outputs
from tests.client.conftest import Run


def commands(group: typer.Typer) -> list[typer.models.CommandInfo]:
    inner = [one.typer_instance for one in group.registered_groups if one.typer_instance]
    return [*group.registered_commands, *(one for nested in inner for one in commands(nested))]


def test_every_command_prints_json_when_asked() -> None:
    # What `completion` prints is for a shell.
    without = [one.callback.__name__ for one in commands(app) if one.callback and not _has_json(one.callback)]
    assert without == ["completion"]


def _has_json(callback: object) -> bool:
    return "as_json" in inspect.signature(callback).parameters  # type: ignore[arg-type]


def test_the_version_is_one_line() -> None:
    said = CliRunner().invoke(app, ["--version"])
    assert (said.exit_code, said.stdout.startswith("agent-stream "), said.stdout.count("\n")) == (0, True, 1)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("agent-stream hist", ["history"]), ("agent-stream doctor --only str", ["streaming"])],
)
def test_bash_completes_commands_and_checks(words: str, wanted: list[str]) -> None:
    script = CliRunner().invoke(app, ["completion", "bash"]).stdout
    asked = words.split()
    where = f"COMP_WORDS=({words}); COMP_CWORD={len(asked) - 1}"
    function = re.findall(r"complete .*-F (\w+) agent-stream", script)[0]
    ask = f"{where}; {function} agent-stream; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == wanted, done.stderr


def test_the_doctors_help_names_its_checks() -> None:
    help_ = CliRunner().invoke(app, ["doctor", "--help"], env={"COLUMNS": "500"}).stdout
    assert [check.name for check in CHECKS if check.name not in help_] == []


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions", "pulumi login"),
        ("error: no Pulumi.yaml project file found (searching upwards from /tmp)", "in the project's folder"),
        ("error: no stack named 'dev' found", "pulumi stack ls"),
        ("error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"),
        ("error: something else", "pulumi up --stack dev"),
    ],
)
def test_the_advice_fits_what_pulumi_says(
    said: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pulumi"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(OutputsError) as raised:
        stack_outputs("dev")
    assert str(raised.value).endswith(f"{step}`.") or step in str(raised.value)
    assert ("pulumi up" in str(raised.value)) == (step == "pulumi up --stack dev")


def test_each_unconfirmed_fact_is_told_with_what_was_seen(run: Run) -> None:
    done = run("doctor", "--unconfirmed", "--json")
    told = json.loads(done.stdout)
    assert done.returncode in (0, 1, 2), done.stderr
    assert "nothing about AWS" in told["seenOn"]
    verdicts = {one["text"]: one["verdict"] for one in told["facts"]}
    assert verdicts["API Gateway maps the token's sub into the session header"] == "confirmed"
    assert verdicts["a mapped header replaces the one that a client sends"] == "confirmed"
    assert verdicts["the runtime's policy denies its commands, shell and WebSocket"] == "confirmed"
    assert verdicts["AgentCore tells the agent that a client has disconnected"] == "open"
    assert all(one["seen"] for one in told["facts"])
