"""A stack's outputs, from wherever they come."""

from __future__ import annotations

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
