"""A stack's outputs, from wherever they come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.errors import OutputsError
from client.outputs import parse_outputs, stack_outputs
from tests.client.variants import Base


def test_outputs_that_are_not_are_explained() -> None:
    for text in ("", "[]", "{}", '{"region": 1}'):
        with pytest.raises(OutputsError):
            parse_outputs(text, source="x", what="x.json", folder=None)


def test_without_the_pulumi_cli_the_way_round_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OutputsError, match="--outputs"):
        stack_outputs("dev")


def test_a_stack_is_read_through_the_pulumi_cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, base: Base) -> None:
    program = tmp_path / "pulumi"
    program.write_text(
        f'#!/bin/sh\n[ "$5" = dev ] && exec /bin/cat {base.folder}/outputs.json\necho "error: no stack" >&2; exit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert stack_outputs("dev").invoke_url == base.outputs.invoke_url
    with pytest.raises(OutputsError, match="no stack"):
        stack_outputs("prod")


@pytest.mark.parametrize(
    ("source", "option"),
    [
        ("local", ""),
        ("stack dev", " --stack dev"),
        ("stack org/project/my-stack", " --stack org/project/my-stack"),
        ("a folder/outputs.json", " --outputs 'a folder/outputs.json'"),
    ],
)
def test_a_command_can_name_the_stack_again(source: str, option: str, base: Base) -> None:
    assert base.outputs.model_copy(update={"source": source}).option == option


@pytest.mark.parametrize("seconds", ["0", "-1", "NaN", "Infinity"])
@pytest.mark.parametrize("name", ["timeScale", "timeoutSeconds", "idleTimeoutSeconds", "heartbeatSeconds"])
def test_a_limit_that_is_none_is_the_outputs_fault(name: str, seconds: str, base: Base) -> None:
    given = json.loads((base.folder / "outputs.json").read_text())
    text = json.dumps({**given, name: float(seconds)})
    with pytest.raises(OutputsError, match=name):
        parse_outputs(text, source="x", what="x.json", folder=None)


def test_a_file_of_brackets_is_no_stacks_outputs() -> None:
    with pytest.raises(OutputsError, match="not JSON"):
        parse_outputs("[" * 200_000, source="x", what="x.json", folder=None)


def test_a_pulumi_cli_that_does_not_start_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    program.write_text(f"#!{tmp_path}/no-such-shell\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OutputsError, match="cannot be run"):
        stack_outputs("dev")


def test_what_the_pulumi_cli_says_in_another_encoding_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    program.write_text("#!/bin/sh\nprintf 'caf\\351 closed\\n' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OutputsError, match="closed"):
        stack_outputs("dev")
