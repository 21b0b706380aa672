"""The schema for editors: current, itself valid, and of one mind with the program about the stack files."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from infra.config import StackConfig
from infra.settings.describe import section_model
from local import ROOT
from local.program.evaluate import stack_file
from tests.infra.graphs import ENVIRONMENTS, EVERYTHING, PROJECT
from tools import schema

LINE = "# yaml-language-server: $schema="


def problems(content: Any) -> list[str]:
    validator = Draft202012Validator(json.loads(schema.FILE.read_text(encoding="utf-8")))
    return [f"{'.'.join(map(str, each.absolute_path))}: {each.message}" for each in validator.iter_errors(content)]


def stack(**config: Any) -> dict[str, Any]:
    return {"config": {"aws:region": "us-east-1", **config}}


def test_it_is_current() -> None:
    assert schema.project_name() == PROJECT
    assert schema.FILE.read_text(encoding="utf-8") == schema.render(PROJECT), "run `python -m tools.schema`"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(schema.FILE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_stack_file_names_it_first_and_is_valid_by_it(name: str) -> None:
    text = stack_file(name).read_text(encoding="utf-8")
    first, _, _ = text.partition("\n")
    assert ROOT / first.removeprefix(LINE) == schema.FILE
    assert problems(yaml.safe_load(text)) == []


def test_every_optional_part_is_valid_by_it() -> None:
    assert problems(stack(**EVERYTHING)) == []
    assert problems(stack(**{f"{PROJECT}:{section}": values for section, values in EVERYTHING.items()})) == []


def test_every_key_of_every_section_is_in_it() -> None:
    definitions = json.loads(schema.FILE.read_text(encoding="utf-8"))["$defs"]
    for field in StackConfig.model_fields.values():
        model = section_model(field.annotation)
        if model is not None:
            assert definitions[model.__name__]["properties"].keys() == {
                each.alias for each in model.model_fields.values()
            }


@pytest.mark.parametrize(
    "config",
    [
        {f"{PROJECT}:ownr": "us"},
        {"ownr": "us"},
        {f"{PROJECT}:api": {"timeoutSecond": 60}},
        {f"{PROJECT}:api": {"timeoutSeconds": 901}},
        {f"{PROJECT}:api": {"endpointType": "regional"}},
        {f"{PROJECT}:api": {"allowedOrigin": "https://chat.example.com/"}},
        {f"{PROJECT}:api": {"teams": {"Sales": {"rate": "fast"}}}},
        {f"{PROJECT}:observability": {"subscribers": ["nobody"]}},
        {"aws:region": "us-esat-1"},
    ],
    ids=str,
)
def test_what_the_program_would_refuse_is_marked(config: dict[str, Any]) -> None:
    assert len(problems(stack(**config))) == 1


@pytest.mark.parametrize(
    "config",
    [
        {"owner": "us"},
        {"aws:profile": "mine", "pulumi:disable-default-providers": ["*"]},
        {f"{PROJECT}:runtime": {"guardrailId": "abc", "guardrailVersion": 1}},
        {f"{PROJECT}:observability": {"subscribers": [{"secure": "v1:abc"}]}},
    ],
    ids=str,
)
def test_what_pulumi_takes_is_not_marked(config: dict[str, Any]) -> None:
    assert problems({**stack(**config), "encryptionsalt": "v1:abc"}) == []
