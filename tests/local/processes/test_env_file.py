"""The developer's own values for the agent of the local run."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.planes import limits
from local.processes.agent_process import agent_environment
from local.processes.env_file import read_env_file
from local.program.graph import ProgramError
from tests.infra.graphs import variation

SECRET = "arn:aws:secretsmanager:us-east-1:ACCOUNT:secret:weather-a1B2c3"


def test_names_and_values_are_read_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / ".env.local"
    path.write_text("# for me\n\nCITY=Oslo\nexport KEY = 'a b=c' \nEMPTY=\nQUOTED=\"x\"\n")
    assert read_env_file(path) == {"CITY": "Oslo", "KEY": "a b=c", "EMPTY": "", "QUOTED": "x"}


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env.local") == {}


def test_a_line_that_is_none_is_named_by_its_number_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / ".env.local"
    path.write_text("CITY=Oslo\nsk-the-secret-alone\n")
    with pytest.raises(ProgramError, match=r"Line 2 of \.env\.local") as refused:
        read_env_file(path)
    assert "sk-the-secret" not in str(refused.value)


def test_a_declared_secret_without_a_value_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = variation("dev", runtime={"secrets": {"WEATHER_API_KEY": SECRET}})
    monkeypatch.setattr(limits, "read_env_file", dict)
    assert any("WEATHER_API_KEY" in line for line in limits.not_emulated(graph))
    monkeypatch.setattr(limits, "read_env_file", lambda: {"WEATHER_API_KEY": "x"})
    assert not any("WEATHER_API_KEY" in line for line in limits.not_emulated(graph))


def test_the_agent_is_given_them() -> None:
    given = agent_environment(variation("dev"), model="scripted", changes={"WEATHER_API_KEY": "x"})
    assert given["WEATHER_API_KEY"] == "x"
